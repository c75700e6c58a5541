"""What a trained run is worth: evaluated and written when its training is over, and evaluated again on any source."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch

from poseplug.core.evaluation.evaluate import Evaluation, evaluate
from poseplug.core.evaluation.metric import Metric
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.results import result_dataset, result_object, seeds_dataset, write_dataset
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.files import write_text
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.multi_seed import replica_of
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.experiment_file import Document, write_document
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import Run, build_evaluations, build_metrics
from poseplug.registry.runs.context import run_context
from poseplug.registry.runs.plan import Plan, make_plan
from poseplug.registry.runs.saved_model import open_run, save_model, seen_in_training

_AVERAGED = ("metrics", "per_action", "per_joint")


@blaming
def evaluate_run(
    directory: RunDirectory,
    catalogue: Catalogue,
    device: torch.device,
    sources: Mapping[str, Document],
    protocol: str = "",
    metrics: Sequence[Document] = (),
) -> dict[str, Any]:
    """Evaluate a finished run, each of its seeds where it has several.

    Args:
        directory: the run, with parts from the catalogue.
        device: where to compute.
        sources: what to evaluate on, by label; none means the run's own evaluations.
        protocol: how to measure; "" means as the run did.
        metrics: what to measure besides what the run did.

    Returns:
        A result object without the facts of the training. Of several seeds its metrics are means; "spread" has their
        sample standard deviations in the same form, "seeds" the seeds.

    Raises:
        PoseplugError: see ``open_run``; bad sources; a source with another skeleton than the model's.
    """
    seeds = runs_in(directory)
    if seeds:
        results = [evaluate_run(run, catalogue, device, sources, protocol, metrics) for run in seeds]
        return _together(results, directory)
    plan, model = open_run(directory, catalogue, device)
    asked = {**plan.document, "metric": [*plan.document.get("metric", []), *metrics]}
    if sources:
        asked["eval"] = dict(sources)
    if protocol:
        asked["protocol"] = lookup(protocol).name
    plan = make_plan(asked, catalogue)
    context = run_context(catalogue, device, plan.settings.seed, skeleton=model.skeleton)
    evaluations = build_evaluations(plan, context)
    measured = build_metrics(plan, context, evaluations)
    return result_object(
        evaluations={label: _judge(model, source, plan, measured) for label, source in evaluations.items()},
        components=plan.components(),
        protocol=plan.protocol.asdict(model.skeleton, finds=model.finds),
        device=device,
        versions=catalogue.versions(),
        run={"run": str(directory.path), "steps": plan.settings.steps, "seed": plan.settings.seed},
    )


def _judge(model: LiftingModel, source: PoseSource, plan: Plan, metrics: Mapping[str, Metric]) -> Evaluation:
    """Evaluate a model on a source as a plan says."""
    said = plan.settings
    return evaluate(model, source, plan.protocol, metrics, batch_size=said.eval_batch_size, endless=said.eval_poses)


def runs_in(directory: RunDirectory) -> list[RunDirectory]:
    """Return the runs of the seeds that a run of several seeds has trained, by seed; none where it is of one seed."""
    seeds = [path.parent for path in directory.path.glob("seed-*/experiment.toml")]
    return [RunDirectory(path) for path in sorted(seeds, key=lambda path: (len(path.name), path.name))]


def _together(results: Sequence[Mapping[str, Any]], directory: RunDirectory) -> dict[str, Any]:
    """Return the result object of a run of several seeds from those of its seeds."""
    means = {key: _over(results, key, np.mean) for key in _AVERAGED}
    spread = {"spread": _over(results, "metrics", partial(np.std, ddof=1))} if len(results) > 1 else {}
    seeds = [result["seed"] for result in results]
    return {**results[0], **means, **spread, "run": str(directory.path), "seed": seeds[0], "seeds": seeds}


def _over(results: Sequence[Mapping[str, Any]], key: str, combine: Callable[[list[float]], Any]) -> Any:
    return _combined([result[key] for result in results], combine)


def _combined(tables: Sequence[Any], combine: Callable[[list[float]], Any]) -> Any:
    """Combine nested tables of numbers number by number; what not all of them have is left out."""
    if not isinstance(tables[0], Mapping):
        return None if None in tables else float(combine([float(value) for value in tables]))
    return {key: _combined([t[key] for t in tables], combine) for key in tables[0] if all(key in t for t in tables)}


def finish(
    plan: Plan, run: Run, trainer: Trainer, directory: RunDirectory, catalogue: Catalogue, build_seconds: float
) -> dict[str, Any]:
    """Evaluate a trained run and write its files; return the result object.

    Of several seeds each leaves a finished run of its own. Metrics of them all are means over the seeds; "spread" has
    their sample standard deviations in the same form, "seeds" the seeds.
    """
    losses, built = trainer.history.values, {"build_seconds": round(build_seconds, 3)}
    if len(plan.seeds) > 1:
        found, facts = _finish_seeds(plan, run, trainer, directory, catalogue, built)
        result = _describe(plan, trainer, _means(list(found.values())), catalogue, {**built, **facts})
        dataset = seeds_dataset(losses, trainer.history.by_seed, found, result)
    else:
        seen = seen_in_training(run.assembly, trainer.device, plan.settings.seed, plan.settings.batch_size)
        save_model(directory, run.assembly.model, seen)
        evaluations, seconds = _evaluate(run.assembly.model, plan, run, trainer.hooks)
        facts = {"evaluation_seconds": seconds, "diagnostics": run.assembly.diagnostics()}
        result = _describe(plan, trainer, evaluations, catalogue, {**built, **facts})
        dataset = result_dataset(losses, evaluations, result)
    write_dataset(directory.history, dataset)
    _write(directory, result)
    return result


def _finish_seeds(
    plan: Plan,
    run: Run,
    trainer: Trainer,
    directory: RunDirectory,
    catalogue: Catalogue,
    built: Mapping[str, float],
) -> tuple[dict[int, dict[str, Evaluation]], dict[str, Any]]:
    """Finish the run of each seed; return the evaluations of each, and what there is to say of them together."""
    seeds, found, diagnostics, total = list(plan.seeds), {}, [], 0.0
    seen = seen_in_training(run.assembly, trainer.device, plan.settings.seed, plan.settings.batch_size)
    for index, seed in enumerate(seeds):
        assembly = replica_of(run.assembly, index)
        found[seed], seconds = _evaluate(assembly.model, plan, run, trainer.hooks, f"seed-{seed}/")
        total += seconds
        diagnostics.append(assembly.diagnostics())
        own, folder = plan.for_seed(seed), directory.of_seed(seed)
        write_document(folder.experiment, own.document)
        save_model(folder, assembly.model, seen)
        facts = {"evaluation_seconds": seconds, "diagnostics": diagnostics[-1], "trained_with": seeds}
        _write(folder, _describe(own, trainer, found[seed], catalogue, {**built, **facts}))
    metrics = [{label: one.metrics for label, one in evaluations.items()} for evaluations in found.values()]
    spread = _combined(metrics, partial(np.std, ddof=1))
    together = {"seeds": seeds, "spread": spread, "diagnostics": _combined(diagnostics, np.mean)}
    return found, {"evaluation_seconds": round(total, 3), **together}


def _means(found: Sequence[Mapping[str, Evaluation]]) -> dict[str, Evaluation]:
    """Return evaluations with the means over several, by label."""
    means = {}
    for label, first in found[0].items():
        of_label = [evaluations[label] for evaluations in found]
        tables = {name: _combined([getattr(one, name) for one in of_label], np.mean) for name in _AVERAGED}
        means[label] = attrs.evolve(first, **tables)
    return means


def _evaluate(
    model: LiftingModel, plan: Plan, run: Run, hooks: HookSet, prefix: str = ""
) -> tuple[dict[str, Evaluation], float]:
    """Evaluate a model; hooks are told the labels after ``prefix``, and may add metrics. Return the seconds, too."""
    found, began = {}, time.perf_counter()
    for label, source in run.evaluations.items():
        evaluation = _judge(model, source, plan, run.metrics)
        metrics = dict(evaluation.metrics)
        for extra in hooks.call("on_evaluation", f"{prefix}{label}", evaluation):
            metrics |= extra or {}
        found[label] = attrs.evolve(evaluation, metrics=metrics)
    return found, round(time.perf_counter() - began, 3)


def _describe(
    plan: Plan, trainer: Trainer, evaluations: Mapping[str, Evaluation], catalogue: Catalogue, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the result object of a run, with further facts of it."""
    assembly, training = trainer.assembly, trainer.training
    return result_object(
        evaluations=evaluations,
        components=plan.components(),
        protocol=plan.protocol.asdict(assembly.model.skeleton, finds=assembly.model.finds),
        device=trainer.device,
        versions=catalogue.versions(),
        run={
            "steps": training.steps,
            "seed": plan.settings.seed,
            "seconds": round(trainer.seconds, 3),
            "poses_per_second": round(trainer.people / trainer.seconds, 1) if trainer.seconds else None,
            **facts,
            "dropped_hooks": trainer.hooks.dropped,
        },
    )


def _write(directory: RunDirectory, result: Mapping[str, Any]) -> None:
    write_text(directory.result, json.dumps(result, indent=2, allow_nan=False) + "\n")
