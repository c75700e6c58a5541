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

    def spec(self) -> ComponentSpec:
        """Return the part with every setting spelt out."""
        return ComponentSpec(self.name, unstructure(self.config))


def find_part(catalogue: Catalogue, kind: str, spec: ComponentSpec) -> Part:
    """Look a component up and read its settings.

    Raises:
        PoseplugError: no such component, or settings that it does not have or allow.
    """
    component = catalogue.find(kind, spec.name).load()
    return Part(spec.name, component, structure(component.Config, spec.settings, f"{kind} '{spec.name}'"))


def construct(part: Part, context: BuildContext) -> Any:
    """Return an instance of a part's component."""
    factory: Callable[[Any, BuildContext], Component] = part.component
    return factory(part.config, context)
