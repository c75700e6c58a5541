"""What a run gets where the user has said nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import ROOTS, InputProvider, Trained
from poseplug.core.training.schedule import Phase
from poseplug.registry.config.experiment_file import Document, tables_in
from poseplug.registry.config.resolve import Part, Parts, find_inputs, find_part, lifter_reads, reads_of
from poseplug.registry.discovery.catalogue import Catalogue

# Kind, distribution and name. Another plugin that takes such a name spoils no run that does not use it.
_SOURCE = ("source", "poseplug-datasets", "builtin")
_LIFTER = ("lifter", "poseplug-baselines", "mlp")


def with_source_and_lifter(document: Document, catalogue: Catalogue) -> Document:
    """Return a document that names a source and a lifter, the default ones if it does not."""
    source, lifter = {"name": catalogue.name_of(*_SOURCE)}, {"name": catalogue.name_of(*_LIFTER)}
    return {"lifter": lifter, **document, "source": document.get("source") or [source]}


def add_defaults(parts: Parts, asked: Document, catalogue: Catalogue, phases: Sequence[Phase] = ()) -> None:
    """Add to the parts that were asked for what they need: objective, discriminator, inputs, reference, evaluation.

    Raises:
        PoseplugError: there is no such component; see ``find_inputs``; an input was asked for that nothing reads and
            none of the phases trains alone, or two of one name.
    """

    def default(kind: str, distribution: str, name: str) -> Part:
        return find_part(catalogue, kind, {"name": catalogue.name_of(kind, distribution, name)})

    if parts.one("objective") is None:
        wanted = parts.the("lifter").component.default_objective
        parts.put("objective", "", default("objective", "poseplug", wanted))
    objective = parts.the("objective")
    if objective.component.default_discriminator and not parts.several("discriminator"):
        home = catalogue.find("objective", objective.name).distribution
        wanted = objective.component.default_discriminator
        parts.put("discriminator", "0", default("discriminator", home, wanted))
    _add_inputs(parts, catalogue, phases)
    sources = list(parts.several("source").values())
    needs_reference = any(part.needs_reference for part in (*sources, objective))
    if (needs_reference or parts.one("reweighter")) and not parts.one("reference"):
        parts.put("reference", "", default(*_SOURCE))
    asked_for = [*parts.several("reference").values(), *sources]
    trained_on = [inner for part in asked_for for inner in _made_of(part)]
    if not parts.several("eval"):
        evaluated = _as_it_says(sources) or next((part for part in _made_of(asked_for[0]) if _splits(part)), None)
        evaluated = evaluated or default(*_SOURCE)
        parts.put("eval", evaluated.plain_name, evaluated)
    given = tables_in(asked, "eval")
    for label, part in parts.several("eval").items():
        if label not in given or "split" not in given[label]:
            parts.put("eval", label, _unseen(part, trained_on))


def _add_inputs(parts: Parts, catalogue: Catalogue, phases: Sequence[Phase]) -> None:
    given = list(parts.several("input").values())
    names = [part.plain_name for part in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise PoseplugError(f"Two inputs of this run are called '{twice[0]}'; leave out one of them.")
    lifter, makers = parts.the("lifter"), parts.makers()
    reads = [*lifter_reads(catalogue, lifter), *([ROOTS] if makers[ROOTS] else [])]
    found = find_inputs(catalogue, f"lifter '{lifter.name}'", reads, makers)
    for part in given:
        if part in found.get(part.provides, ()):
            continue
        if not _trained_alone(part, phases):
            what = "is" if part.provides == part.plain_name else f"provides '{part.provides}', which is"
            raise PoseplugError(
                f"Input '{part.plain_name}' {what} read by nothing in this run; leave out --input {part.plain_name}."
            )
        further = reads_of(catalogue, "input", part)
        found |= find_inputs(catalogue, f"input '{part.name}'", further, makers, part.provides)
    for name, made in found.items():
        if not makers.get(name):
            parts.put("input", str(len(parts.several("input"))), made[0])


def _trained_alone(part: Part, phases: Iterable[Phase]) -> bool:
    """Say whether an input provider that nothing reads is trained all the same, by its own loss, in some phase."""
    learns = issubclass(part.component, Trained) and part.component.loss is not InputProvider.loss
    alone = (phase for phase in phases if phase.groups("lifter") is None)
    return learns and any(phase.groups("input") is not None for phase in alone)


def _made_of(part: Part) -> list[Part]:
    """Return a source, and those that it is made of."""
    return [part, *(deeper for inner in part.inner for deeper in _made_of(inner))]


def _as_it_says(sources: Iterable[Part]) -> Part | None:
    """Return the first source that says on what a run on it is evaluated, with the settings that it says."""
    for part in sources:
        config = part.component.evaluated_with(part.config)
        if config is not None:
            return attrs.evolve(part, config=config)
    return None


def _unseen(part: Part, trained_on: Iterable[Part]) -> Part:
    """Return an evaluation's source with the test split of data that the run trains on, with all of other data."""
    split = "test" if any(_same_data(part, other) for other in trained_on) else "all"
    return attrs.evolve(part, config=attrs.evolve(part.config, split=split)) if split in _splits(part) else part


def _splits(part: Part) -> tuple[str, ...]:
    """Return the values that a source's setting "split" can take; none where it has no such setting."""
    fields = attrs.fields_dict(type(part.config))
    return tuple(fields["split"].metadata.get("choices", ())) if "split" in fields else ()


def _same_data(one: Part, other: Part) -> bool:
    paths = [field.name for field in attrs.fields(type(one.config)) if field.metadata.get("path")]
    same = (getattr(one.config, path) == getattr(other.config, path) for path in paths)
    return one.component is other.component and all(same)
