"""A whole run, from a plan to a finished run directory; and finished runs, opened again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.storage.checkpoint import from_under, load_tensors, under
from poseplug.core.training.trainer import Trainer
from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import HookSet, RunFacts, RunHook
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.results import result_object
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.sources.viewed import viewed
from poseplug.core.training.multi_seed import models_of
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.runs.build import Plan, build, build_evaluations, make_plan
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.config.experiment_file import Document, read_document, write_document
from poseplug.registry.runs.outputs import evaluate_all, finish, plugin_versions
from poseplug.registry.config.resolve import construct
from poseplug.registry.runs.multi_seed import finish_seeds


@blaming
def rehearse(plan: Plan, catalogue: Catalogue, device: torch.device) -> None:
    """Build everything and take one step with two poses; nothing is written.

    Raises:
        PoseplugError: what ``execute`` would raise for this plan.
    """
    run = build(plan, catalogue, device)
    Trainer(run.assembly, attrs.evolve(run.training, steps=1, batch_size=2), device, phases=plan.phases).run()


@blaming
def execute(
    plan: Plan,
    catalogue: Catalogue,
    device: torch.device,
    directory: RunDirectory,
    *,
    resume: bool = False,
    hooks: Mapping[str, RunHook] | None = None,
    warn: Callable[[str], None] = lambda message: None,
    began: Callable[[Trainer], None] = lambda trainer: None,
) -> dict[str, Any]:
    """Train, evaluate, and write the run directory; return the result object.

    Args:
        plan: what to run.
        catalogue: where its parts come from.
        device: where to compute.
        directory: where to write; a new run's folder is made only once all parts are built.
        resume: go on from the directory's checkpoint.
        hooks: told about the run, besides those of the plan.
        warn: told of what goes wrong without ending the run.
        began: called with the trainer before the first step.

    Raises:
        PoseplugError: what the plan asks cannot be.
        TrainingFailed: see Trainer.run.
    """
    run = build(plan, catalogue, device)
    hook_set = HookSet({**(hooks or {}), **run.hooks}, plan.experiment.hook_errors, warn)
    going_on = resume and directory.checkpoint.exists()
    if plan.experiment.pretrained and not going_on:
        for model in models_of(run.assembly):
            take_weights(RunDirectory(Path(plan.experiment.pretrained)), model)
    trainer = Trainer(run.assembly, run.training, device, directory.checkpoint, hook_set, plan.phases)
    if going_on:
        trainer.load()
    if not resume:
        directory.check_free()
        directory.path.mkdir(parents=True, exist_ok=True)
        write_document(directory.experiment, plan.document)
    facts = RunFacts(plan.document, directory.path, run.training.steps, trainer.step, str(device))
    try:
        hook_set.call("configure", facts)
    except PoseplugError:
        if not resume:  # nothing was trained: leave no folder that looks like a run
            shutil.rmtree(directory.path)
        raise
    began(trainer)
    trainer.run()
    finished = finish if len(plan.seeds) == 1 else finish_seeds
    result = finished(plan, run, trainer, directory, catalogue, device)
    hook_set.call("on_report", result, directory.path)
    return result


# ------------------------------------------------------------------ finished runs


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
        # A run may go on with or without labels; how depth is read is then its own.
        reading = under("reading", {} if model.reading is None else model.reading.state_dict())
        weights = {name: t for name, t in from_under("model", tensors).items() if not name.startswith("reading.")}
        model.load_state_dict(weights | reading)
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
    context = BuildContext(skeleton=skeleton, device=device, seed=plan.training.seed)
    root = construct(plan.parts["root"], context) if "root" in plan.parts else None
    objective: Any = plan.parts["objective"].component
    lifter = construct(plan.parts["lifter"], context)
    model = LiftingModel(lifter, skeleton, root, objective.depth_only).to(device)
    try:
        model.load_state_dict(from_under("model", tensors))
    except RuntimeError as error:
        raise PoseplugError(
            f"'{directory.model}' does not fit the installed '{plan.parts['lifter'].name}': {error}"
        ) from error
    return plan, model.eval()


@blaming
def evaluate_run(
    directory: RunDirectory,
    catalogue: Catalogue,
    device: torch.device,
    sources: Mapping[str, Document],
    protocol: str = "",
) -> dict[str, Any]:
    """Evaluate a finished run; return a result object without the facts of the training.

    Args:
        directory: the run.
        catalogue: where components come from.
        device: where to compute.
        sources: what to evaluate on, by label; none means the run's own evaluations.
        protocol: how to measure; "" means as the run did.

    Raises:
        PoseplugError: see ``open_run``; bad sources; a source with another skeleton than the model's.
    """
    plan, model = open_run(directory, catalogue, device)
    if sources:
        plan = make_plan({**plan.document, "eval": dict(sources)}, catalogue)
    measured = lookup(protocol) if protocol else plan.protocol
    context = BuildContext(skeleton=model.skeleton, device=device, seed=plan.training.seed)
    view = construct(plan.parts["objective"], context).view
    sources_seen = {label: viewed(source, view) for label, source in build_evaluations(plan, context).items()}
    evaluations = evaluate_all(model, sources_seen, measured)
    return result_object(
        evaluations=evaluations,
        components=plan.experiment.components(),
        protocol=measured.asdict(model.skeleton),
        device=device,
        versions=plugin_versions(catalogue),
        run={"run": str(directory.path), "steps": plan.training.steps, "seed": plan.training.seed},
    )


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
