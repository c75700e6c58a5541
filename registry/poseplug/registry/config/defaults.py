"""What a run gets where the user has said nothing."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import ROOTS
from poseplug.core.storage.experiment import ComponentSpec, Experiment
from poseplug.registry.config.read_settings import unstructure
from poseplug.registry.config.resolve import Part, Parts, find_inputs, find_part
from poseplug.registry.discovery.catalogue import Catalogue

# Distribution and name. Another plugin that takes such a name spoils no run that does not use it.
_SOURCE = ("poseplug-datasets", "builtin")
_LIFTER = ("poseplug-baselines", "mlp")
_OBJECTIVES = "poseplug"


def source(catalogue: Catalogue) -> str:
    """Return the name of the source of a run that names none."""
    return catalogue.name_of("source", *_SOURCE)


def lifter(catalogue: Catalogue) -> str:
    """Return the name of the lifter of a run that names none."""
    return catalogue.name_of("lifter", *_LIFTER)


def add_defaults(parts: Parts, asked: Experiment, catalogue: Catalogue) -> None:
    """Fill in the objective, discriminator and reference where they are needed, and the evaluation.

    Args:
        parts: those that the user asked for; added to.
        asked: what the user asked for.
        catalogue: where the parts come from.
    """
    if parts.one("objective") is None:
        wanted = parts.the("lifter").component.default_objective
        name = catalogue.name_of("objective", _OBJECTIVES, wanted)
        parts.put("objective", "", find_part(catalogue, "objective", ComponentSpec(name)))
    objective = parts.the("objective").component
    if objective.default_discriminator and not parts.several("discriminator"):
        home = catalogue.find("objective", parts.the("objective").name).distribution
        name = catalogue.name_of("discriminator", home, objective.default_discriminator)
        parts.put("discriminator", "0", find_part(catalogue, "discriminator", ComponentSpec(name)))
    _add_inputs(parts, catalogue)
    trained_on = list(parts.several("source").values())
    needs_reference = any(getattr(s.component, "needs_reference", False) for s in trained_on)
    if (needs_reference or parts.one("reweighter")) and not parts.one("reference"):
        parts.put("reference", "", find_part(catalogue, "source", ComponentSpec(source(catalogue))))
    trained_on = [*parts.several("reference").values(), *trained_on]
    if not parts.several("eval"):
        real, spec = trained_on[0], ComponentSpec(source(catalogue))
        if _splits(real):
            spec = ComponentSpec(real.name, unstructure(real.config))
        parts.put("eval", spec.name.rpartition(":")[2], find_part(catalogue, "source", spec))
    given = asked.parts.get("eval", {})
    for label, part in parts.several("eval").items():
        if label not in given or "split" not in given[label].settings:
            parts.put("eval", label, _unseen(part, trained_on))


def _add_inputs(parts: Parts, catalogue: Catalogue) -> None:
    """Fill in what makes the inputs that lifter and root estimator read, and those that these are made of.

    Raises:
        PoseplugError: see ``find_inputs``; an input that was asked for is read by nothing.
    """
    given = {part.plain_name: part for part in parts.several("input").values()}
    lifter, root = parts.the("lifter"), parts.one("root")
    reads = [*lifter.component.reads, *([ROOTS] if root else [])]
    found = find_inputs(catalogue, f"lifter '{lifter.name}'", reads, {**given, ROOTS: root})
    for name, part in given.items():
        if found.get(name) is not part:
            raise PoseplugError(f"Input '{name}' is read by nothing in this run; leave out --input {name}.")
    for name, part in found.items():
        if name not in given and name != ROOTS:
            parts.put("input", str(len(parts.several("input"))), part)


def _unseen(part: Part, trained_on: Iterable[Part]) -> Part:
    """Return an evaluation's source with the poses that the run does not train on: the test split of data that it
    trains on, all of other data.
    """
    splits = _splits(part)
    split = "test" if any(_same_data(part, other) for other in trained_on) else "all"
    if split not in splits:
        return part
    return attrs.evolve(part, config=attrs.evolve(part.config, split=split))


def _splits(part: Part) -> tuple[str, ...]:
    """Return the values that a source's setting "split" can take; none where it has no such setting."""
    fields = {field.name: field for field in attrs.fields(type(part.config))}
    return tuple(fields["split"].metadata.get("choices", ())) if "split" in fields else ()


def _same_data(one: Part, other: Part) -> bool:
    if one.component is not other.component:
        return False
    paths = [field.name for field in attrs.fields(type(one.config)) if field.metadata.get("path")]
    return all(getattr(one.config, name) == getattr(other.config, name) for name in paths)
