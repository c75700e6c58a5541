"""The trained model of a run: written, opened again, and taken as a start for another run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.storage.tensor_file import from_under, load_tensors, save_tensors, under
from poseplug.registry.config.experiment_file import read_document
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import build_model
from poseplug.registry.runs.plan import Plan, make_plan


def take_weights(directory: RunDirectory, model: LiftingModel) -> None:
    """Start a model from the weights of a finished run.

    Raises:
        PoseplugError: there is no finished run, or its model has another skeleton or other parts.
    """
    directory.check_finished()
    tensors, facts = load_tensors(directory.model)
    if skeleton_from(facts["skeleton"]) != model.skeleton:
        raise PoseplugError(
            f"'pretrained': the model in '{directory.path}' is for skeleton '{facts['skeleton']['name']}', and this "
            f"run has '{model.skeleton.name}'."
        )
    try:
        # How its output becomes a pose is the run's own: it may go on with or without labels.
        weights = {name: t for name, t in from_under("model", tensors).items() if not name.startswith("head.")}
        model.load_state_dict(weights | under("head", model.head.state_dict()))
    except RuntimeError as error:
        raise PoseplugError(f"'pretrained': the model in '{directory.path}' is not like this run's: {error}") from error


def open_run(directory: RunDirectory, catalogue: Catalogue, device: torch.device) -> tuple[Plan, LiftingModel]:
    """Return a finished run's plan and its trained model in evaluation mode.

    Raises:
        PoseplugError: there is no finished run, or one of its components is not installed.
    """
    directory.check_finished()
    plan = make_plan(read_document(directory.experiment), catalogue)
    tensors, facts = load_tensors(directory.model)
    skeleton = skeleton_from(facts["skeleton"])
    context = BuildContext(skeleton=skeleton, device=device, seed=plan.settings.seed)
    model, _ = build_model(plan, context)
    model.to(device)
    try:
        model.load_state_dict(from_under("model", tensors))
    except RuntimeError as error:
        raise PoseplugError(
            f"'{directory.model}' does not fit the installed '{plan.parts.the('lifter').name}': {error}"
        ) from error
    return plan, model.eval()


def skeleton_from(facts: Mapping[str, Any]) -> Skeleton:
    """Return the skeleton that ``save_model`` described."""
    return Skeleton(
        name=facts["name"],
        joints=tuple(facts["joints"]),
        parents=tuple(facts["parents"]),
        pairs=tuple((left, right) for left, right in facts["pairs"]),
        parts={name: tuple(joints) for name, joints in facts["parts"].items()},
        rest={name: (x, y, z) for name, (x, y, z) in facts["rest"].items()},
        centre=facts["centre"],
    )


def save_model(directory: RunDirectory, model: LiftingModel) -> None:
    """Write the trained model with the skeleton that it was trained for."""
    skeleton = attrs.asdict(model.skeleton, recurse=False)
    facts = {**skeleton, "parts": dict(model.skeleton.parts), "rest": dict(model.skeleton.rest)}
    save_tensors(directory.model, under("model", model.state_dict()), {"skeleton": facts})
