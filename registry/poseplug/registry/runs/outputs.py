"""What a run leaves when its training is over: model, metrics and history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from poseplug.core.evaluation.evaluate import Evaluation
from poseplug.core.evaluation.results import result_dataset, result_object, write_dataset
from poseplug.core.storage.files import write_text
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import Run
from poseplug.registry.runs.evaluate import evaluate_all, plugin_versions, with_metrics_of_hooks
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import save_model


def finish(
    plan: Plan, run: Run, trainer: Trainer, directory: RunDirectory, catalogue: Catalogue, device: torch.device
) -> dict[str, Any]:
    """Evaluate a trained run of one seed and write its files; return the result object."""
    model = run.assembly.model
    save_model(directory, model)
    found = evaluate_all(model, run.evaluations, plan.protocol, run.metrics)
    evaluations = with_metrics_of_hooks(trainer.hooks, found)
    result = describe(plan, run, trainer, evaluations, catalogue, device, {"diagnostics": run.assembly.diagnostics()})
    write_dataset(directory.history, result_dataset(trainer.history.values, evaluations, result))
    write_result(directory, result)
    return result


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
    drawn = run.training.batch_size * (2 if assembly.uses_reference else 1) * assembly.seeds
    facts = {
        "steps": run.training.steps,
        "seed": plan.settings.seed,
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


def write_result(directory: RunDirectory, result: Mapping[str, Any]) -> None:
    """Write the result object."""
    write_text(directory.result, json.dumps(result, indent=2, allow_nan=False) + "\n")
