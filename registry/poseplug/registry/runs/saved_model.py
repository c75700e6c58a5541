"""The trained model of a run: written, opened again, and taken as a start for another run."""

from __future__ import annotations

from collections.abc import Sequence

import cattrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.input_range import InputRange
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.storage.tensor_file import from_under, load_tensors, save_tensors, under
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.training_step import AugmentedSource
from poseplug.registry.config.experiment_file import read_document
from poseplug.registry.config.resolve import knowing
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build_model import build_model
from poseplug.registry.runs.plan import Plan, make_plan

# Of its own, so that no draw of the training changes. Batches are as large as in training, which had memory for them.
_SEEN_STREAM, _SEEN_POSES, _SEEN_BATCHES = 193, 4096, 16


def save_model(directory: RunDirectory, model: LiftingModel, seen: InputRange | None = None) -> None:
    """Write the trained model with the skeleton that it was trained for, and what it was shown in training."""
    facts = {"skeleton": cattrs.unstructure(model.skeleton)}
    if seen is not None:
        facts["seen"] = cattrs.unstructure(seen)
    save_tensors(directory.model, under("model", model.state_dict()), facts)


def seen_in_training(assembly: Assembly, device: torch.device, seed: int, batch_size: int) -> InputRange:
    """Return what lifters of an assembly are shown: its source's poses, as its augmentors change them."""
    source, size = AugmentedSource(assembly), min(batch_size, _SEEN_POSES)
    generator = torch.Generator(device).manual_seed((seed << 16) + _SEEN_STREAM)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        drawn = (source.sample(size, generator) for _ in range(min(-(-_SEEN_POSES // size), _SEEN_BATCHES)))
        alone = [PoseBatch(batch.skeleton, batch.joints_2d, batch.camera) for batch in drawn]  # no images of them
    return InputRange.of(PoseBatch.join(alone))


def stored_range(directory: RunDirectory) -> InputRange | None:
    """Return what a finished run's lifter was shown in training; None where an older poseplug has not noted it.

    Raises:
        PoseplugError: there is no finished run.
    """
    directory.check_finished()
    _, facts = load_tensors(directory.model)
    return cattrs.structure(facts["seen"], InputRange) if "seen" in facts else None


def _load_model(directory: RunDirectory) -> tuple[Skeleton, dict[str, Tensor]]:
    directory.check_finished()
    tensors, facts = load_tensors(directory.model)
    return cattrs.structure(facts["skeleton"], Skeleton), from_under("model", tensors)


def stored_skeleton(directory: RunDirectory) -> Skeleton:
    """Return the skeleton that a finished run's model was trained for; raise PoseplugError if there is none."""
    return _load_model(directory)[0]


def take_weights(directory: RunDirectory, model: LiftingModel, parts: Sequence[str] = ()) -> None:
    """Start a model from the weights of a finished run.

    Args:
        directory: the run.
        model: of the same skeleton.
        parts: what is taken: "lifter" with the statistics of its normalisation, "root", "input:NAME"; none means all of
            the model, which must then be made of the same parts.

    Raises:
        PoseplugError: there is no finished run, or its model has another skeleton or other parts.
    """
    skeleton, tensors = _load_model(directory)
    if skeleton != model.skeleton:
        raise PoseplugError(
            f"'pretrained': the model in '{directory.path}' is for skeleton '{skeleton.name}', and this run has "
            f"'{model.skeleton.name}'."
        )
    own = model.state_dict()
    for part in parts:
        for called, names in ((f"the model in '{directory.path}'", tensors), ("this run's", own)):
            if part not in (there := sorted({_part_of(name) for name in names} - {"head"})):
                raise PoseplugError(
                    f"'pretrained_parts': {called} has nothing to take for '{part}'; it has {', '.join(there)}."
                )
    try:
        # How its output becomes a pose is the run's own: it may go on with or without labels.
        wanted = {name: _part_of(name) in parts if parts else _part_of(name) != "head" for name in {**tensors, **own}}
        stored = {name: tensor for name, tensor in tensors.items() if wanted[name]}
        model.load_state_dict(stored | {name: tensor for name, tensor in own.items() if not wanted[name]})
    except RuntimeError as error:
        raise PoseplugError(f"'pretrained': the model in '{directory.path}' is not like this run's: {error}") from error


def _part_of(name: str) -> str:
    """Return the part of a model that a tensor belongs to, by its name: "lifter", "root", "input:NAME", "head"."""
    first, _, rest = name.partition(".")
    if first == "inputs":  # .networks.NAME
        return f"input:{rest.split('.')[1]}"
    return "lifter" if first == "normaliser" else first


def open_run(directory: RunDirectory, catalogue: Catalogue, device: torch.device) -> tuple[Plan, LiftingModel]:
    """Return a finished run's plan and its trained model in evaluation mode.

    Raises:
        PoseplugError: there is no finished run, or one of its components is not installed.
    """
    skeleton, tensors = _load_model(directory)
    plan = make_plan(read_document(directory.experiment), catalogue)
    context = BuildContext(skeleton=skeleton, device=device, seed=plan.settings.seed, weights_follow=True)
    model, _ = build_model(plan, knowing(context, catalogue))
    model.to(device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise PoseplugError(
            f"'{directory.model}' does not fit the installed '{plan.parts.the('lifter').name}': {error}"
        ) from error
    return plan, model.eval()
