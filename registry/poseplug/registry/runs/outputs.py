"""What a run leaves when its training is over: model, metrics and history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs
import torch

from poseplug.core.training.assembly import Assembly
from poseplug.core.storage.checkpoint import save_tensors, under
from poseplug.core.training.trainer import Trainer
from poseplug.core.evaluation.evaluate import Evaluation, evaluate
from poseplug.core.storage.files import write_text
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.evaluation.results import result_dataset, result_object, write_dataset
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.runs.build import Plan, Run
from poseplug.registry.discovery.catalogue import Catalogue


def finish(
    plan: Plan, run: Run, trainer: Trainer, directory: RunDirectory, catalogue: Catalogue, device: torch.device
) -> dict[str, Any]:
    """Evaluate a trained run of one seed and write its files; return the result object."""
    model = run.assembly.model
    save_model(directory, model)
    evaluations = with_metrics_of_hooks(trainer.hooks, evaluate_all(model, run.evaluations, plan.protocol))
    result = describe(plan, run, trainer, evaluations, catalogue, device, {"diagnostics": run.assembly.diagnostics()})
    write_dataset(directory.history, result_dataset(trainer.history.values, evaluations, result))
    write_result(directory, result)
    return result


def evaluate_all(model: LiftingModel, sources: Mapping[str, PoseSource], protocol: Protocol) -> dict[str, Evaluation]:
    """Evaluate a model on each source."""
    return {label: evaluate(model, source, protocol) for label, source in sources.items()}


def with_metrics_of_hooks(
    hooks: HookSet, evaluations: Mapping[str, Evaluation], prefix: str = ""
) -> dict[str, Evaluation]:
    """Return evaluations with what hooks add to their metrics; the hooks are told their labels after ``prefix``."""
    completed = {}
    for label, evaluation in evaluations.items():
        metrics = dict(evaluation.metrics)
        for extra in hooks.call("on_evaluation", f"{prefix}{label}", evaluation):
            metrics |= extra or {}
        completed[label] = attrs.evolve(evaluation, metrics=metrics)
    return completed


def describe(
    plan: Plan,
    run: Run,
    trainer: Trainer,
    evaluations: Mapping[str, Evaluation],
    catalogue: Catalogue,
    device: torch.device,
    further: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the result object of a run, with further facts of it."""
    assembly: Assembly = run.assembly
    drawn = run.training.batch_size * (2 if assembly.uses_reference else 1) * assembly.replicas
    facts = {
        "steps": run.training.steps,
        "seed": plan.training.seed,
        "seconds": round(trainer.seconds, 3),
        "poses_per_second": round(drawn * run.training.steps / trainer.seconds, 1) if trainer.seconds else None,
        **further,
        "dropped_hooks": trainer.hooks.dropped,
    }
    return result_object(
        evaluations=evaluations,
        components=plan.experiment.components(),
        protocol=plan.protocol.asdict(assembly.model.skeleton),
        device=device,
        versions=plugin_versions(catalogue),
        run=facts,
    )


def plugin_versions(catalogue: Catalogue) -> dict[str, str]:
    """Return the version of every plugin distribution that works, but poseplug's own."""
    return {p.distribution: p.version for p in catalogue.plugins if not p.problem and p.distribution != "poseplug"}


def save_model(directory: RunDirectory, model: LiftingModel) -> None:
    """Write the trained model with the skeleton that it was trained for."""
    skeleton = attrs.asdict(model.skeleton, recurse=False)
    facts = {**skeleton, "parts": dict(model.skeleton.parts), "rest": dict(model.skeleton.rest)}
    save_tensors(directory.model, under("model", model.state_dict()), {"skeleton": facts})


def write_result(directory: RunDirectory, result: Mapping[str, Any]) -> None:
    """Write the result object."""
    write_text(directory.result, json.dumps(result, indent=2, allow_nan=False) + "\n")
