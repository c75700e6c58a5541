"""Evaluation of a finished run on any source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from poseplug.core.evaluation.evaluate import evaluate
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.results import result_object
from poseplug.core.interfaces import BuildContext
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import Document
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import build_evaluations, build_metrics
from poseplug.registry.runs.plan import make_plan
from poseplug.registry.runs.saved_model import open_run


@blaming
def evaluate_run(
    directory: RunDirectory,
    catalogue: Catalogue,
    device: torch.device,
    sources: Mapping[str, Document],
    protocol: str = "",
    metrics: Sequence[Document] = (),
) -> dict[str, Any]:
    """Evaluate a finished run; return a result object without the facts of the training.

    Args:
        directory: the run, with parts from the catalogue.
        device: where to compute.
        sources: what to evaluate on, by label; none means the run's own evaluations.
        protocol: how to measure; "" means as the run did.
        metrics: what to measure besides what the run did.

    Raises:
        PoseplugError: see ``open_run``; bad sources; a source with another skeleton than the model's.
    """
    plan, model = open_run(directory, catalogue, device)
    asked = {**plan.document, "metric": [*plan.document.get("metric", []), *metrics]}
    if sources:
        asked["eval"] = dict(sources)
    if protocol:
        asked["protocol"] = lookup(protocol).name
    plan = make_plan(asked, catalogue)
    context = BuildContext(skeleton=model.skeleton, device=device, seed=plan.settings.seed)
    evaluations = build_evaluations(plan, context)
    measured = build_metrics(plan, context, evaluations)
    return result_object(
        evaluations={label: evaluate(model, s, plan.protocol, measured) for label, s in evaluations.items()},
        components=plan.experiment.components(),
        protocol=plan.protocol.asdict(model.skeleton),
        device=device,
        versions=catalogue.versions(),
        run={"run": str(directory.path), "steps": plan.settings.steps, "seed": plan.settings.seed},
    )
