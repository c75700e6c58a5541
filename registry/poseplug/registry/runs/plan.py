"""From an experiment document to a checked plan: every default spelt out, all problems told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.protocol import Protocol, lookup
from poseplug.core.kinds import slots
from poseplug.core.training.assembly import check_combination
from poseplug.core.training.schedule import Phase, check_schedules
from poseplug.registry.config.defaults import add_defaults, with_source_and_lifter
from poseplug.registry.config.experiment_file import ARITIES, PHASE, Document, shaped, tables_in
from poseplug.registry.config.read_settings import structure, unstructure
from poseplug.registry.config.resolve import Parts, find_part
from poseplug.registry.config.run_settings import RunSettings
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.combination import check_scenes, check_served, idle_roles, places


@attrs.frozen
class Plan:
    """A checked experiment, every default and every setting of which is spelt out.

    Attributes:
        settings: of the run.
        parts: what it is made of, by slot.
        phases: of the schedule; none trains everything at every step.
    """

    settings: RunSettings
    parts: Parts
    phases: tuple[Phase, ...] = ()

    @property
    def document(self) -> Document:
        """The experiment as it is kept in the run directory."""
        phases = {PHASE: list(map(unstructure, self.phases))} if self.phases else {}
        ordered = [(slot.name, self.parts[slot.name]) for slot in slots() if slot.name in self.parts]
        tables = {name: shaped(name, {k: part.table() for k, part in found.items()}) for name, found in ordered}
        return unstructure(self.settings) | phases | tables

    def components(self) -> dict[str, str]:
        """Return the names of the parts, for results: slot -> name, comma-separated where there are several.

        What is labelled has its results under its label.
        """
        named = {name: found.values() for name, found in sorted(self.parts.items()) if ARITIES[name] != "labelled"}
        return {name: ",".join(part.name for part in found) for name, found in named.items()}

    @property
    def protocol(self) -> Protocol:
        """How results are measured."""
        return lookup(self.settings.protocol)

    @property
    def seeds(self) -> range:
        """The seeds that are trained together; of most runs one."""
        return range(self.settings.seed, self.settings.seed + self.settings.seeds)

    def for_seed(self, seed: int) -> Plan:
        """Return the plan of the same run for one seed alone."""
        return attrs.evolve(self, settings=attrs.evolve(self.settings, seed=seed, seeds=1))


def make_plan(document: Document, catalogue: Catalogue) -> Plan:
    """Check a document and spell out all its defaults, without building anything.

    Raises:
        PoseplugError: everything that is wrong with names, settings and the combination, in one message.
    """
    asked = with_source_and_lifter(document, catalogue)
    tables = {place: tables_in(asked, place) for place in ARITIES}
    problems: list[str] = []
    parts, phases = Parts(), []
    for slot in slots():
        for key, table in tables[slot.name].items():
            with _noting(problems):
                parts.put(slot.name, key, find_part(catalogue, slot.kind, table))
    with _noting(problems):
        settings: RunSettings = structure(
            RunSettings, {key: value for key, value in asked.items() if key not in ARITIES}, "the experiment"
        )
    wanted = tuple(tables[PHASE].values())
    if not wanted and "lifter" in parts:
        lifter = parts.the("lifter")
        wanted = tuple(lifter.component.default_phases(lifter.config))
    for phase in wanted:
        with _noting(problems):
            phases.append(structure(Phase, phase, "a phase"))
    if problems:
        raise PoseplugError("\n".join(dict.fromkeys(problems)))
    check_schedules(settings, phases)
    add_defaults(parts, asked, catalogue, phases)
    objective, root, reweighter = parts.the("objective"), parts.one("root"), parts.one("reweighter")
    discriminators = parts.several("discriminator").values()
    check_combination(
        sources={part.name: part.component for part in parts.several("source").values()},
        objective=(objective.name, objective.component),
        discriminators=[part.name for part in discriminators],
        judges_3d=[part.name for part in discriminators if part.component.needs_3d],
        root=(root.name, root.component) if root else None,
        reweighter=reweighter.name if reweighter else None,
        has_reference="reference" in parts,
        made_from_reference=[part.name for part in parts.several("source").values() if part.needs_reference],
        idle=idle_roles(phases),
    )
    check_scenes(parts, settings, phases, catalogue)
    check_served(parts, places(parts, settings, phases), catalogue)
    return Plan(settings, parts, tuple(phases))


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    """Add what the user has caused to the problems, and go on."""
    try:
        yield
    except PoseplugError as error:
        problems.append(str(error))
