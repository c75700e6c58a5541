"""Parts: components that were found, with settings that are good, ready to be constructed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FOUND, ROOTS, BuildContext
from poseplug.registry.config.read_settings import structure, unstructure
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import Catalogue, Entry


@attrs.frozen
class Part:
    """A component that was found and whose settings are good.

    Attributes:
        component: its class, a subclass of its kind's interface.
        inner: the parts that its settings name.
    """

    name: str
    component: Any
    config: Any
    inner: tuple[Part, ...] = ()

    @property
    def needs_reference(self) -> bool:
        """Whether it, or a source that it is made of, is made from reference poses."""
        asks = getattr(self.component, "needs_reference_with", None)
        itself = asks(self.config) if asks else getattr(self.component, "needs_reference", False)
        return itself or any(part.needs_reference for part in self.inner)

    @property
    def plain_name(self) -> str:
        """Its name without the distribution that may stand before it."""
        return self.name.rpartition(":")[2]

    @property
    def provides(self) -> str:
        """The name of the input that it makes; of an input provider."""
        return self.component.provides or self.plain_name

    def table(self) -> dict[str, Any]:
        """Return what stands in an experiment for it, every setting spelt out."""
        return {"name": self.name, **unstructure(self.config)}


class Parts(dict[str, dict[str, Part]]):
    """The parts of a run: slot -> key -> part, with the keys of ``tables_in``."""

    def put(self, slot: str, key: str, part: Part) -> None:
        """Add a part, or put it in the place of another."""
        self.setdefault(slot, {})[key] = part

    def one(self, slot: str) -> Part | None:
        """Return the part of a slot that takes one, or None where the run has none."""
        return self.several(slot).get("")

    def the(self, slot: str) -> Part:
        """Return the part of a slot that takes one and is never empty."""
        return self[slot][""]

    def several(self, slot: str) -> dict[str, Part]:
        """Return the parts of a slot, by number or label."""
        return self.get(slot, {})

    def makers(self) -> dict[str, list[Part]]:
        """Return what makes inputs, by the input: providers in their order, and the root estimator what is its own."""
        found: dict[str, list[Part]] = {}
        for part in self.several("input").values():
            found.setdefault(part.provides, []).append(part)
        root = self.one("root")
        own = {} if root is None else {ROOTS: [root], FOUND: [root] if finds(root) else []}
        return {**found, ROOTS: [], FOUND: [], **own}


def finds(root: Part | None) -> bool:
    """Say whether a run's root estimator, if it has one, searches scenes for people."""
    return root is not None and bool(root.component.finds_with(root.config))


def find_part(catalogue: Catalogue, kind: str, table: Mapping[str, Any]) -> Part:
    """Look up the component that a table of an experiment names, and read its settings.

    Raises:
        PoseplugError: no such component, or settings that it does not have or allow.
    """
    settings = dict(table)
    name = settings.pop("name")
    component = catalogue.find(kind, name).load()
    config = structure(component.Config, settings, f"{kind} '{name}'")
    named = [(f.metadata.get("names"), getattr(config, f.name)) for f in attrs.fields(component.Config)]
    inner = tuple(find_part(catalogue, of, parse_spec(text)) for of, text in named if of and text)
    return Part(name, component, config, inner)


def find_inputs(
    catalogue: Catalogue, reader: str, reads: Iterable[str], given: Mapping[str, Sequence[Part]], *above: str
) -> dict[str, Sequence[Part]]:
    """Return what makes the inputs that a component reads, and those that these are made of, which come first.

    Args:
        catalogue: where they come from.
        reader: the component, as in "lifter 'mlp'".
        reads: the names of its inputs.
        given: parts that are there already, by the input that they make; where there are none, the one of that name
            makes it. Predicted roots and found people are made by no other.
        above: the inputs that are made of this one.

    Raises:
        PoseplugError: nobody provides one of them, or one is made of itself.
    """
    found: dict[str, Sequence[Part]] = {}
    for name in sorted(reads):
        if name in above:
            ring = " reads ".join([*above[above.index(name) :], name])
            raise PoseplugError(f"Input '{name}' is made of itself: {ring}. Leave out one of them.")
        noun = reader[0].upper() + reader[1:]
        parts = given.get(name, ())
        if not parts and name == ROOTS:
            raise PoseplugError(f"{noun} reads predicted roots; add a root estimator with --root.")
        if not parts and name == FOUND:
            raise PoseplugError(f"{noun} reads people who were found; add a root estimator that searches with --root.")
        try:
            parts = parts or [_own_provider(catalogue, name)]
        except PoseplugError as error:
            raise PoseplugError(f"{noun} reads input '{name}'. {error}") from error
        kind, called = ("root", "root estimator") if name in (ROOTS, FOUND) else ("input", "input")
        for part in parts:
            further = reads_of(catalogue, kind, part)
            found |= find_inputs(catalogue, f"{called} '{part.name}'", further, given, *above, name)
        found[name] = parts
    return found


def _own_provider(catalogue: Catalogue, name: str) -> Part:
    """Return the input provider of a name, if that is what it provides."""
    try:
        part = find_part(catalogue, "input", {"name": name})
        if part.provides == name:
            return part
        problem = f"Input '{name}' provides '{part.provides}'."
    except PoseplugError as error:
        problem = str(error)
    others = [entry.name for entry in catalogue.of("input") if _provides(entry) == name]
    raise PoseplugError(f"{problem} {' and '.join(others)} can: say --input {others[0]}." if others else problem)


def _provides(entry: Entry) -> str:
    """Return what an input provider says that it provides; "" for its own name, or if it cannot be loaded."""
    try:
        return str(entry.load().provides)
    except PoseplugError:
        return ""


def reads_of(catalogue: Catalogue, kind: str, part: Part) -> frozenset[str]:
    """Return the names of the inputs that a part of a kind reads with its settings.

    Raises:
        PoseplugError: the settings name another of the kind, and there is no such one.
    """

    def of_named(text: str) -> frozenset[str]:
        return reads_of(catalogue, kind, find_part(catalogue, kind, parse_spec(text)))

    reads: frozenset[str] = part.component.reads_with(part.config, of_named)
    return reads


def lifter_reads(catalogue: Catalogue, lifter: Part) -> frozenset[str]:
    """Return the names of the further inputs that a lifter reads with its settings; see ``reads_of``."""
    return reads_of(catalogue, "lifter", lifter)


def knowing(context: BuildContext, catalogue: Catalogue, **facts: Any) -> BuildContext:
    """Return a context with further facts, which components that are built through it get to know as well."""

    def build(kind: str, text: str) -> Any:
        return construct(find_part(catalogue, kind, parse_spec(text)), known)

    known = attrs.evolve(context, **facts, build=build)
    return known


def construct(part: Part | None, context: BuildContext) -> Any:
    """Return an instance of a part's component; None where there is no part."""
    return None if part is None else part.component(part.config, context)
