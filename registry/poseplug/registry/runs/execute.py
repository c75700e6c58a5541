"""A whole run, from a plan to a finished run directory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import HookSet, RunFacts, RunHook
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.multi_seed import models_of
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.experiment_file import write_document
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import Run, build
from poseplug.registry.runs.evaluate import finish
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.resume import change_length, has_other_length
from poseplug.registry.runs.saved_model import take_weights


def new_directory(plan: Plan, out: Path | None) -> RunDirectory:
    """Return where a new run is to be written: a folder that is asked for, or a new one in ``runs``.

    Raises:
        PoseplugError: nothing can be written there, or something is there.
    """
    name = f"{plan.parts.several('source')['0'].name}-{plan.parts.the('lifter').name}".replace(":", "-")
    directory = RunDirectory(out) if out is not None else RunDirectory.fresh(Path("runs"), name)
    directory.check_free()
    return directory


@blaming
def rehearse(plan: Plan, catalogue: Catalogue, device: torch.device) -> None:
    """Build everything and take one step with two poses; nothing is written.

    Raises:
        PoseplugError: what ``execute`` would raise for this plan.
    """
    run = build(plan, catalogue, device, weights_follow=_starts_whole(plan))
    _take_start(plan, run)
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
        plan: what to run, with parts from the catalogue.
        device: where to compute.
        directory: where to write; a new run's folder is made only once all parts are built.
        resume: go on from the directory's checkpoint; the plan may have another number of steps than the run had.
        hooks: told about the run, besides those of the plan.
        warn: told of what goes wrong without ending the run.
        began: called with the trainer before the first step, once the directory is there.

    Raises:
        PoseplugError: what the plan asks cannot be; fewer steps than the run has behind it.
        TrainingFailed: see Trainer.run.
    """
    start = time.perf_counter()
    going_on = resume and directory.checkpoint.exists()
    run = build(plan, catalogue, device, weights_follow=going_on or _starts_whole(plan))
    hook_set = HookSet({**(hooks or {}), **run.hooks}, plan.settings.hook_errors, warn)
    if not going_on:
        _take_start(plan, run)
    trainer = Trainer(run.assembly, run.training, device, directory.checkpoint, hook_set, plan.phases)
    if going_on:
        trainer.load()
    build_seconds = time.perf_counter() - start
    if not resume:
        directory.check_free()
        directory.path.mkdir(parents=True, exist_ok=True)
        write_document(directory.experiment, plan.document)
    directory.clean()
    facts = RunFacts(plan.document, directory.path, run.training.steps, trainer.step, str(device), resume)
    try:
        hook_set.call("configure", facts)
    except PoseplugError:
        if not resume:  # nothing was trained: leave no folder that looks like a run
            shutil.rmtree(directory.path)
        raise
    if resume and has_other_length(directory, plan):
        change_length(directory, plan)
    began(trainer)
    trainer.run()
    result = finish(plan, run, trainer, directory, catalogue, build_seconds)
    hook_set.call("on_report", result, directory.path)
    return result


def _starts_whole(plan: Plan) -> bool:
    """Say whether all of a run's model begins with the weights of another."""
    return bool(plan.settings.pretrained) and not plan.settings.pretrained_parts


def _take_start(plan: Plan, run: Run) -> None:
    """Give the models of a run the weights that it starts from, if it starts from any."""
    if plan.settings.pretrained_parts and not plan.settings.pretrained:
        raise PoseplugError("'pretrained_parts' says what to take of a run; name that run with --from.")
    if plan.settings.pretrained:
        for model in models_of(run.assembly):
            take_weights(RunDirectory(Path(plan.settings.pretrained)), model, plan.settings.pretrained_parts)
