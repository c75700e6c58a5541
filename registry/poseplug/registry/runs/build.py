"""From a plan to the parts of a run, constructed and put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import check_measurable
from poseplug.core.evaluation.metric import Metric
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.hooks import RunHook
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.models.modes import trainable
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import random_share
from poseplug.core.sources.projection import projected
from poseplug.core.training.assembly import Assembly, check_3d
from poseplug.core.training.multi_seed import side_by_side
from poseplug.core.training.schedule import Training
from poseplug.core.training.trainer import steps_of_epochs
from poseplug.registry.config.resolve import Part, construct, finds, knowing
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build_model import build_model
from poseplug.registry.runs.combination import check_found, check_served, check_worlds, idle_roles, places
from poseplug.registry.runs.context import run_context
from poseplug.registry.runs.plan import Plan

# The random stream of the poses that are drawn to see what their cameras know.
_WORLD_STREAM = 0x574F


@attrs.frozen
class Run:
    """A plan whose parts are built.

    Attributes:
        assembly: the parts to train.
        training: the engine's settings, with epochs turned into steps.
        evaluations: the sources to evaluate on, by label.
        metrics: what is measured besides the standard metrics, by the names that messages call them.
        hooks: the run-time hooks, by name.
    """

    assembly: Assembly
    training: Training
    evaluations: Mapping[str, PoseSource]
    metrics: Mapping[str, Metric]
    hooks: Mapping[str, RunHook]


def build(plan: Plan, catalogue: Catalogue, device: torch.device, *, weights_follow: bool = False) -> Run:
    """Construct every part of a plan, sources first: they decide the skeleton, and bad data is found early.

    Args:
        plan: with parts from the catalogue.
        device: where all tensors live.
        weights_follow: whether all weights are loaded afterwards.

    Raises:
        PoseplugError: bad data, skeletons that differ, a weight for reference poses that there are none of, or metrics
            that cannot be measured.
    """
    context = run_context(catalogue, device, plan.settings.seed, weights_follow=weights_follow)
    reference = _source(plan, plan.parts.one("reference"), context)
    if reference is not None and plan.settings.reference_share < 1:
        if not isinstance(reference, FiniteSource):
            raise PoseplugError("'reference_share' below 1 needs a reference with an end; this one is endless.")
        reference = random_share(reference, plan.settings.reference_share, context.generator(1))
    skeleton = reference.skeleton if reference else None
    context = knowing(context, catalogue, reference=reference, skeleton=skeleton)
    sources = [_source(plan, part, context) for part in plan.parts.several("source").values()]
    source = sources[0] if len(sources) == 1 else Mixture(sources)
    context = knowing(context, catalogue, skeleton=source.skeleton)
    if reference is not None:
        _same_skeleton(source.skeleton, reference.skeleton, "the reference")
    evaluations = build_evaluations(plan, context)
    metrics = build_metrics(plan, context, evaluations)
    assembly = _assemble(plan, context, source, reference)
    if assembly.model.sees_scenes:
        named = zip((part.name for part in plan.parts.several("source").values()), sources, strict=True)
        check_worlds(list(named), context.generator(_WORLD_STREAM))
    root, idle = plan.parts.one("root"), idle_roles(plan.phases)
    check_3d(
        has_3d={
            part.name: made.has_3d for part, made in zip(plan.parts.several("source").values(), sources, strict=True)
        },
        objective=(plan.parts.the("objective").name, assembly.objective.needs_3d and "lifter" not in idle),
        root=root.name if root and "root" not in idle else None,
    )
    where = places(plan.parts, plan.settings, plan.phases, sources, evaluations)
    check_served(plan.parts, where, catalogue)
    if root is not None:
        check_found(root, plan.parts.the("lifter").name, assembly.model.lifter)
    if len(plan.seeds) > 1:
        check_together(assembly, plan)
        contexts = [knowing(context, catalogue, seed=seed) for seed in plan.seeds[1:]]
        assembly = side_by_side([assembly, *(_assemble(plan, c, source, reference) for c in contexts)])
        assembly.modules().to(device)
    training = plan.settings
    if training.epochs is not None:
        training = attrs.evolve(training, steps=steps_of_epochs(training.epochs, training.batch_size, source))
    hooks = {f"{part.name} (hook {i})": construct(part, context) for i, part in plan.parts.several("hook").items()}
    return Run(assembly, training, evaluations, metrics, hooks)


def _assemble(plan: Plan, context: BuildContext, source: PoseSource, reference: PoseSource | None) -> Assembly:
    """Construct what is trained, and what it is trained with, under the context's seed."""
    torch.manual_seed(context.seed)  # from whose generators layers take their initial weights and dropout
    model, objective = build_model(plan, context)
    assembly = Assembly(
        source=source,
        objective=objective,
        model=model,
        reference=reference,
        augmentors=tuple(construct(part, context) for part in plan.parts.several("augmentor").values()),
        reweighter=construct(plan.parts.one("reweighter"), context),
        discriminators={part.name: construct(part, context) for part in plan.parts.several("discriminator").values()},
    )
    if plan.settings.reference_weight is not None:
        assembly = attrs.evolve(assembly, reference_weight=plan.settings.reference_weight)
    if assembly.uses_reference and reference is None:
        raise PoseplugError("'reference_weight' says to train on reference poses, and there are none; add --reference.")
    assembly.modules().to(context.device)
    return assembly


class SeedsApart(PoseplugError):
    """The seeds of a run cannot be trained together."""


def check_together(assembly: Assembly, plan: Plan) -> None:
    """Raise SeedsApart, naming the part that stands in the way, unless seeds of a run can be trained together."""
    parts = plan.parts
    augmentors = zip(parts.several("augmentor").values(), assembly.augmentors, strict=True)
    obstacles = []
    for part, augmentor in augmentors:
        if trainable(augmentor):
            obstacles.append(f"augmentor '{part.name}' is trained too")
        if augmentor.asks_lifter:
            obstacles.append(f"augmentor '{part.name}' asks the lifter of one seed only")
    if root := parts.one("root"):
        obstacles.append(f"this run also trains root estimator '{root.name}'")
    inputs, lifter = assembly.model.inputs, parts.the("lifter")
    if inputs.of_scenes(assembly.model.lifter.reads):
        obstacles.append(f"lifter '{lifter.name}' reads inputs of whole scenes, whose people they deal out")
    obstacles += [f"input '{name}' is trained too" for name, made in inputs.networks.items() if trainable(made)]
    if reweighter := parts.one("reweighter"):
        obstacles.append(f"reweighter '{reweighter.name}' weighs the poses of one seed only")
    obstacles += [f"phase '{phase.name}' keeps poses" for phase in plan.phases if phase.keep]
    if obstacles:
        raise SeedsApart(
            f"--seeds trains lifters and discriminators of all seeds together, and {obstacles[0]}; run the seeds one "
            "after the other with --seed, or leave that part out."
        )


def build_evaluations(plan: Plan, context: BuildContext) -> dict[str, PoseSource]:
    """Construct the sources that a plan evaluates on, by label.

    Raises:
        PoseplugError: bad data, or a skeleton that is not the context's.
    """
    evaluations = {label: _source(plan, part, context) for label, part in plan.parts.several("eval").items()}
    for label, evaluation in evaluations.items():
        _same_skeleton(context.layout, evaluation.skeleton, f"evaluation '{label}'")
    return evaluations


def build_metrics(plan: Plan, context: BuildContext, evaluations: Mapping[str, PoseSource]) -> dict[str, Metric]:
    """Construct what a plan measures besides the standard metrics; see ``check_measurable`` for what is refused."""
    context = attrs.evolve(context, reference=None)  # a stored model is measured without it
    parts, root = plan.parts.several("metric"), plan.parts.one("root")
    metrics = {f"{part.name} (metric {number})": construct(part, context) for number, part in parts.items()}
    for label, evaluation in evaluations.items():
        if not evaluation.has_3d:
            raise PoseplugError(
                f"Evaluation '{label}' is on a source that gives 2D only, and errors are measured against 3D joints; "
                "evaluate on a source with 3D."
            )
        check_measurable(
            *(evaluation, plan.protocol, metrics, context.device),
            roots=root is not None,
            finds=finds(root),
        )
    return metrics


def _source(plan: Plan, part: Part | None, context: BuildContext) -> Any:
    """Construct a source whose poses are seen as the run sees them; None where there is no part."""
    return None if part is None else projected(construct(part, context), plan.settings.projection)


def _same_skeleton(wanted: Skeleton, found: Skeleton, where: str) -> None:
    if wanted != found:
        raise PoseplugError(
            f"The run's skeleton is '{wanted.name}' ({', '.join(wanted.joints)}), but {where} has '{found.name}' "
            f"({', '.join(found.joints)}); give both the same 'skeleton' setting."
        )
