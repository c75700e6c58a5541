"""Parts: components that were found, with settings that are good, ready to be constructed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from poseplug.core.interfaces import BuildContext, Component
from poseplug.core.storage.experiment import ComponentSpec
from poseplug.registry.config.read_settings import structure, unstructure
from poseplug.registry.discovery.catalogue import Catalogue


@attrs.frozen
class Part:
    """A component that was found and whose settings are good, ready to be constructed."""

    name: str
    component: type[Component]
    config: Any

    @property
    def plain_name(self) -> str:
        """Its name without the distribution that may stand before it."""
        return self.name.rpartition(":")[2]

    def spec(self) -> ComponentSpec:
        """Return the part with every setting spelt out."""
        return ComponentSpec(self.name, unstructure(self.config))


class Parts(dict[str, dict[str, Part]]):
    """The parts of a run: slot -> key -> part, with the keys of ``Experiment.parts``."""

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


def find_part(catalogue: Catalogue, kind: str, spec: ComponentSpec) -> Part:
    """Look a component up and read its settings.

    Raises:
        PoseplugError: no such component, or settings that it does not have or allow.
    """
    component = catalogue.find(kind, spec.name).load()
    return Part(spec.name, component, structure(component.Config, spec.settings, f"{kind} '{spec.name}'"))


def construct(part: Part | None, context: BuildContext) -> Any:
    """Return an instance of a part's component; None where there is no part."""
    if part is None:
        return None
    factory: Callable[[Any, BuildContext], Component] = part.component
    return factory(part.config, context)
