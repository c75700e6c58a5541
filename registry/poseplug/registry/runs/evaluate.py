"""Evaluation of a model on the sources of a plan, and of a finished run on any source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch

from poseplug.core.evaluation.evaluate import Evaluation, evaluate
from poseplug.core.evaluation.metric import Metric
from poseplug.core.evaluation.protocol import Protocol, lookup
from poseplug.core.evaluation.results import result_object
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import Document
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import build_evaluations, build_metrics
from poseplug.registry.runs.plan import make_plan
from poseplug.registry.runs.saved_model import open_run


def evaluate_all(
    model: LiftingModel, sources: Mapping[str, PoseSource], protocol: Protocol, metrics: Mapping[str, Metric]
) -> dict[str, Evaluation]:
    """Evaluate a model on each source, with metrics besides the standard ones."""
    return {label: evaluate(model, source, protocol, metrics) for label, source in sources.items()}


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
        directory: the run.
        catalogue: where components come from.
        device: where to compute.
        sources: what to evaluate on, by label; none means the run's own evaluations.
        protocol: how to measure; "" means as the run did.
        metrics: what to measure besides what the run did.

    Raises:
        PoseplugError: see ``open_run``; bad sources; a source with another skeleton than the model's.
    """
    plan, model = open_run(directory, catalogue, device)
    asked = {**plan.document, "metric": [*plan.document.get("metric", []), *metrics]}
    plan = make_plan(asked | ({"eval": dict(sources)} if sources else {}), catalogue)
    measured = lookup(protocol) if protocol else plan.protocol
    context = BuildContext(skeleton=model.skeleton, device=device, seed=plan.settings.seed)
    found = build_evaluations(plan, context)
    evaluations = evaluate_all(model, found, measured, build_metrics(plan, context, found, measured))
    return result_object(
        evaluations=evaluations,
        components=plan.experiment.components(),
        protocol=measured.asdict(model.skeleton),
        device=device,
        versions=plugin_versions(catalogue),
        run={"run": str(directory.path), "steps": plan.settings.steps, "seed": plan.settings.seed},
    )


def runs_in(directory: RunDirectory) -> list[RunDirectory]:
    """Return the runs of the seeds that a run of several seeds has trained, by seed; none where it is of one seed."""
    seeds = [path.parent for path in directory.path.glob("seed-*/experiment.toml")]
    return [RunDirectory(path) for path in sorted(seeds, key=lambda path: (len(path.name), path.name))]


def evaluate_seeds(
    directory: RunDirectory,
    catalogue: Catalogue,
    device: torch.device,
    sources: Mapping[str, Document],
    protocol: str = "",
    metrics: Sequence[Document] = (),
) -> dict[str, Any]:
    """Evaluate a finished run, each of its seeds where it has several; see ``evaluate_run`` for the arguments.

    Returns:
        The result object of the run. Of several seeds its metrics are means; "spread" has their sample standard
        deviations in the same form, "seeds" the seeds.
    """
    runs = runs_in(directory)
    if not runs:
        return evaluate_run(directory, catalogue, device, sources, protocol, metrics)
    results = [evaluate_run(run, catalogue, device, sources, protocol, metrics) for run in runs]
    several = len(results) > 1
    means = {key: _over(results, key, np.mean) for key in ("metrics", "per_action", "per_joint")}
    spread = {"spread": _over(results, "metrics", partial(np.std, ddof=1))} if several else {}
    seeds = [result["seed"] for result in results]
    return {**results[0], **means, **spread, "run": str(directory.path), "seed": seeds[0], "seeds": seeds}


def _over(results: Sequence[Mapping[str, Any]], key: str, combine: Callable[[list[float]], Any]) -> Any:
    return combined([result[key] for result in results], combine)


def combined(tables: Sequence[Any], combine: Callable[[list[float]], Any]) -> Any:
    """Combine nested tables of numbers number by number; what not all of them have is left out."""
    if not isinstance(tables[0], Mapping):
        return None if None in tables else float(combine([float(value) for value in tables]))
    return {key: combined([t[key] for t in tables], combine) for key in tables[0] if all(key in t for t in tables)}


def plugin_versions(catalogue: Catalogue) -> dict[str, str]:
    """Return the version of every plugin distribution that works, but poseplug's own."""
    return {p.distribution: p.version for p in catalogue.plugins if not p.problem and p.distribution != "poseplug"}
