"""From an experiment document to a checked plan: every default spelt out, all problems told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.protocol import Protocol, lookup
from poseplug.core.hooks import ERROR_POLICIES
from poseplug.core.storage.experiment import LISTED_PARTS, SINGLE_PARTS, ComponentSpec, Experiment
from poseplug.core.training.assembly import check_combination
from poseplug.core.training.schedule import Phase
from poseplug.core.training.trainer import Training
from poseplug.registry.config import defaults
from poseplug.registry.config.experiment_file import Document, to_document, to_experiment
from poseplug.registry.config.read_settings import structure, unstructure
from poseplug.registry.config.resolve import Part, find_part
from poseplug.registry.discovery.catalogue import Catalogue


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
    problems += _run_setting_problems(asked) or _seed_problems(training, asked.seeds)
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


def _seed_problems(training: Training | None, seeds: int) -> list[str]:
    if training is None:
        return []
    try:
        attrs.evolve(training, seed=training.seed + seeds - 1)
    except ValueError as error:
        return [f"the experiment, 'seed' and 'seeds': the last of {seeds} seeds from {training.seed} on {error}"]
    return []


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
