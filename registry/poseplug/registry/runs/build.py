"""From an experiment document to the parts of a run: defaults, checks (all problems at once), construction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.training.assembly import Assembly, check_combination
from poseplug.core.training.trainer import Training, steps_of_epochs
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.experiment import LISTED_PARTS, SINGLE_PARTS, ComponentSpec, Experiment
from poseplug.core.hooks import ERROR_POLICIES, RunHook
from poseplug.core.interfaces import BuildContext, FiniteSource, Objective, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.evaluation.protocol import Protocol, lookup
from poseplug.core.training.runtime import seed_everything
from poseplug.core.training.schedule import Phase
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import random_share
from poseplug.core.sources.viewed import viewed
from poseplug.core.training.multi_seed import side_by_side
from poseplug.registry.config import defaults
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.config.experiment_file import Document, to_document, to_experiment
from poseplug.registry.config.resolve import Part, construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.config.read_settings import structure, unstructure
from poseplug.registry.runs.seed_obstacles import check_together


@attrs.frozen
class Plan:
    """A checked experiment.

    Attributes:
        experiment: with every default and every setting spelt out.
        training: the engine's settings.
        protocol: how results are measured.
        parts: by slot: "lifter", "source.0", "eval.LABEL", ...
        phases: of the schedule; none trains everything at every step.
    """

    experiment: Experiment
    training: Training
    protocol: Protocol
    parts: Mapping[str, Part]
    phases: tuple[Phase, ...] = ()

    @property
    def document(self) -> Document:
        """The experiment as it is kept in the run directory."""
        return to_document(self.experiment)

    @property
    def seeds(self) -> range:
        """The seeds that are trained together; of most runs one."""
        return range(self.training.seed, self.training.seed + self.experiment.seeds)

    def for_seed(self, seed: int) -> Plan:
        """Return the plan of the same run for one seed alone."""
        settings = {**self.experiment.training, "seed": seed}
        alone = attrs.evolve(self.experiment, seeds=1, training=settings)
        return attrs.evolve(self, experiment=alone, training=attrs.evolve(self.training, seed=seed))

    def slot(self, prefix: str) -> dict[str, Part]:
        """Return the parts of a list or of the evaluations, by what follows the prefix."""
        return {name.partition(".")[2]: part for name, part in self.parts.items() if name.partition(".")[0] == prefix}


def make_plan(document: Document, catalogue: Catalogue) -> Plan:
    """Check a document and spell out all its defaults, without building anything.

    Raises:
        PoseplugError: everything that is wrong with names, settings and the combination, in one message.
    """
    source, lifter = defaults.source(catalogue), defaults.lifter(catalogue)
    document = {"source": [{"name": source}], "lifter": {"name": lifter}, **document}
    problems: list[str] = []
    parts: dict[str, Part] = {}
    asked = to_experiment({"objective": {"name": "?"}, **document})
    for slot, kind, spec in _slots(asked):
        if spec.name == "?":
            continue
        try:
            parts[slot] = find_part(catalogue, kind, spec)
        except PoseplugError as error:
            problems.append(str(error))
    training = _collect(problems, lambda: structure(Training, asked.training, "the experiment"))
    protocol = _collect(problems, lambda: lookup(asked.protocol))
    phases = [_collect(problems, partial(structure, Phase, phase, "a phase")) for phase in asked.phase]
    problems += _run_setting_problems(asked)
    if problems:
        raise PoseplugError("\n".join(dict.fromkeys(problems)))
    defaults.add_defaults(parts, asked, catalogue)
    _check_fit(parts)
    listed: dict[str, Any] = {
        key: tuple(p.spec() for s, p in parts.items() if s.startswith(f"{key}.")) for key in LISTED_PARTS
    }
    single: dict[str, Any] = {key: parts[key].spec() for key in SINGLE_PARTS if key in parts}
    evaluations = {slot.removeprefix("eval."): p.spec() for slot, p in parts.items() if slot.startswith("eval.")}
    described = tuple(unstructure(phase) for phase in phases)
    training_settings = unstructure(training)
    resolved = attrs.evolve(asked, **listed, **single, eval=evaluations, training=training_settings, phase=described)
    if asked.pretrained:
        resolved = attrs.evolve(resolved, pretrained=str(Path(asked.pretrained).expanduser().absolute()))
    return Plan(resolved, training, protocol, parts, tuple(phases))


def _slots(experiment: Experiment) -> Iterator[tuple[str, str, ComponentSpec]]:
    """Give (slot, interface, spec) of every part of an experiment."""
    for key in SINGLE_PARTS:
        spec = getattr(experiment, key)
        if spec is not None:
            yield key, "source" if key == "reference" else key, spec
    for key in LISTED_PARTS:
        yield from ((f"{key}.{i}", key, spec) for i, spec in enumerate(getattr(experiment, key)))
    yield from ((f"eval.{label}", "source", spec) for label, spec in experiment.eval.items())


def _collect(problems: list[str], make: Callable[[], Any]) -> Any:
    try:
        return make()
    except PoseplugError as error:
        problems.append(str(error))
        return None


def _run_setting_problems(experiment: Experiment) -> list[str]:
    problems = []
    share, epochs, seeds = experiment.reference_share, experiment.epochs, experiment.seeds
    if type(share) not in (int, float) or not 0 < share <= 1:
        problems.append(
            f"the experiment, setting 'reference_share': expected a number above 0 and at most 1, got {share!r}"
        )
    if experiment.hook_errors not in ERROR_POLICIES:
        policies = " or ".join(ERROR_POLICIES)
        problems.append(f"the experiment, setting 'hook_errors': expected {policies}, got {experiment.hook_errors!r}")
    if type(experiment.pretrained) is not str:
        problems.append(f"the experiment, setting 'pretrained': expected a folder, got {experiment.pretrained!r}")
    if epochs is not None and (type(epochs) is not int or epochs < 1):
        problems.append(f"the experiment, setting 'epochs': expected a whole number of at least 1, got {epochs!r}")
    if type(seeds) is not int or seeds < 1:
        problems.append(f"the experiment, setting 'seeds': expected a whole number of at least 1, got {seeds!r}")
    return problems


def _check_fit(parts: Mapping[str, Part]) -> None:
    def listed(key: str) -> dict[str, Any]:
        return {part.name: part.component for slot, part in parts.items() if slot.startswith(f"{key}.")}

    def single(key: str) -> Any:
        return (parts[key].name, parts[key].component) if key in parts else None

    reweighter = parts.get("reweighter")
    check_combination(
        sources=listed("source"),
        lifter=single("lifter"),
        objective=single("objective"),
        discriminators=listed("discriminator"),
        root=single("root"),
        reweighter=reweighter.name if reweighter else None,
        has_reference="reference" in parts,
    )


@attrs.frozen
class Run:
    """A plan whose parts are built.

    Attributes:
        assembly: the parts to train.
        training: the engine's settings, with epochs turned into steps.
        evaluations: the sources to evaluate on, by label.
        hooks: the run-time hooks, by name.
    """

    assembly: Assembly
    training: Training
    evaluations: Mapping[str, PoseSource]
    hooks: Mapping[str, RunHook]


def build(plan: Plan, catalogue: Catalogue, device: torch.device) -> Run:
    """Construct every part of a plan, sources first: they decide the skeleton, and bad data is found early.

    Raises:
        PoseplugError: bad data, skeletons that differ, or an objective that needs a reference there is none of.
    """
    context = _knowing(BuildContext(device=device, seed=plan.training.seed), catalogue)
    reference = construct(plan.parts["reference"], context) if "reference" in plan.parts else None
    if reference is not None and plan.experiment.reference_share < 1:
        if not isinstance(reference, FiniteSource):
            raise PoseplugError("'reference_share' below 1 needs a reference with an end; this one is endless.")
        reference = random_share(reference, plan.experiment.reference_share, context.generator(1))
    skeleton = reference.skeleton if reference else None
    context = _knowing(context, catalogue, reference=reference, skeleton=skeleton)
    sources = [construct(part, context) for part in plan.slot("source").values()]
    source = sources[0] if len(sources) == 1 else Mixture(sources)
    context = _knowing(context, catalogue, skeleton=source.skeleton)
    if reference is not None:
        _same_skeleton(source.skeleton, reference.skeleton, "the reference")
    evaluations = build_evaluations(plan, context)
    assembly = _assemble(plan, context, source, reference)
    if len(plan.seeds) > 1:
        check_together(assembly, plan.parts, plan.phases)
        contexts = [_knowing(context, catalogue, seed=seed) for seed in plan.seeds[1:]]
        assembly = side_by_side([assembly, *(_assemble(plan, c, source, reference) for c in contexts)])
        assembly.modules().to(device)
    training = plan.training
    if plan.experiment.epochs is not None:
        steps = steps_of_epochs(plan.experiment.epochs, training.batch_size, source)
        training = attrs.evolve(training, steps=steps)
    hooks = {f"{part.name} (hook {i})": construct(part, context) for i, part in plan.slot("hook").items()}
    seen = {label: viewed(evaluation, assembly.objective.view) for label, evaluation in evaluations.items()}
    return Run(assembly, training, seen, hooks)


def _assemble(plan: Plan, context: BuildContext, source: PoseSource, reference: PoseSource | None) -> Assembly:
    """Construct what is trained, and what it is trained with, under the context's seed."""
    seed_everything(context.seed)
    lifter = construct(plan.parts["lifter"], context)
    root = construct(plan.parts["root"], context) if "root" in plan.parts else None
    objective: Objective = construct(plan.parts["objective"], context)
    assembly = Assembly(
        source=viewed(source, objective.view),
        objective=objective,
        model=LiftingModel(lifter, source.skeleton, root, objective.depth_only),
        reference=None if reference is None else viewed(reference, objective.view),
        augmentors=tuple(construct(part, context) for part in plan.slot("augmentor").values()),
        reweighter=construct(plan.parts["reweighter"], context) if "reweighter" in plan.parts else None,
        discriminators={part.name: construct(part, context) for part in plan.slot("discriminator").values()},
    )
    if assembly.uses_reference and reference is None:
        raise PoseplugError(
            f"Objective '{plan.parts['objective'].name}' is set to train on reference poses; add --reference."
        )
    assembly.modules().to(context.device)
    return assembly


def build_evaluations(plan: Plan, context: BuildContext) -> dict[str, PoseSource]:
    """Construct the sources that a plan evaluates on, by label, as their cameras see them.

    Raises:
        PoseplugError: bad data, or a skeleton that is not the context's.
    """
    evaluations = {label: construct(part, context) for label, part in plan.slot("eval").items()}
    for label, evaluation in evaluations.items():
        _same_skeleton(context.layout, evaluation.skeleton, f"evaluation '{label}'")
    return evaluations


def _knowing(context: BuildContext, catalogue: Catalogue, **facts: Any) -> BuildContext:
    """Return a context with further facts, which components that are built through it get to know as well."""
    context = attrs.evolve(context, **facts)
    return attrs.evolve(
        context, build=lambda kind, text: construct(find_part(catalogue, kind, parse_spec(text)), context)
    )


def _same_skeleton(wanted: Skeleton, found: Skeleton, where: str) -> None:
    if wanted != found:
        raise PoseplugError(
            f"The run's skeleton is '{wanted.name}' ({', '.join(wanted.joints)}), but {where} has '{found.name}' "
            f"({', '.join(found.joints)}); give both the same 'skeleton' setting."
        )
