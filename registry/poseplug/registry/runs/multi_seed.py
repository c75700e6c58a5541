"""What seeds that were trained together leave: a finished run for each, and their means and spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from poseplug.core.evaluation.evaluate import Evaluation
from poseplug.core.evaluation.results import result_dataset, write_dataset
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.multi_seed import replica_of
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.experiment_file import write_document
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import Run
from poseplug.registry.runs.evaluate import combined, evaluate_all, with_metrics_of_hooks
from poseplug.registry.runs.outputs import describe, write_result
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import save_model


def finish_seeds(
    plan: Plan, run: Run, trainer: Trainer, directory: RunDirectory, catalogue: Catalogue, device: torch.device
) -> dict[str, Any]:
    """Evaluate each seed of a trained run and write its run directory, then means and spread over the seeds.

    Returns:
        The result object. Its metrics are means over the seeds; "spread" has their sample standard deviations in the
        same form, "seeds" the seeds.
    """
    evaluations, diagnostics = [], []
    for index, seed in enumerate(plan.seeds):
        assembly = replica_of(run.assembly, index)
        found = evaluate_all(assembly.model, run.evaluations, plan.protocol, run.metrics)
        evaluations.append(with_metrics_of_hooks(trainer.hooks, found, f"seed-{seed}/"))
        diagnostics.append(assembly.diagnostics())
        own, folder = plan.for_seed(seed), directory.of_seed(seed)
        write_document(folder.experiment, own.document)
        save_model(folder, assembly.model)
        facts = {"diagnostics": diagnostics[-1], "trained_with": list(plan.seeds)}
        write_result(folder, describe(own, run, trainer, evaluations[-1], catalogue, device, facts))
    means = over_seeds(evaluations, np.mean)
    spread = over_seeds(evaluations, partial(np.std, ddof=1))
    facts = {
        "seeds": list(plan.seeds),
        "spread": {label: dict(evaluation.metrics) for label, evaluation in spread.items()},
        "diagnostics": combined(diagnostics, np.mean),
    }
    result = describe(plan, run, trainer, means, catalogue, device, facts)
    write_dataset(directory.history, result_dataset(trainer.history.values, means, result))
    write_result(directory, result)
    return result


def over_seeds(
    evaluations: Sequence[Mapping[str, Evaluation]], combine: Callable[[list[float]], Any]
) -> dict[str, Evaluation]:
    """Return, for evaluations of several seeds by label, what ``combine`` makes of each metric."""
    return {
        label: Evaluation(
            metrics=combined([of_seed[label].metrics for of_seed in evaluations], combine),
            per_action=combined([of_seed[label].per_action for of_seed in evaluations], combine),
            poses=first.poses,
            per_joint=combined([of_seed[label].per_joint for of_seed in evaluations], combine),
            headings=first.headings,
        )
        for label, first in evaluations[0].items()
    }
