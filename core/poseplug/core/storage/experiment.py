"""An experiment: which parts, with which settings, trained how. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

# The parts that an experiment names, by interface, and whether there may be several.
SINGLE_PARTS = ("reference", "reweighter", "lifter", "root", "objective")
LISTED_PARTS = ("source", "augmentor", "discriminator", "hook")


@attrs.frozen
class ComponentSpec:
    """A component's name and the settings given for it, typed or as text from the command line."""

    name: str
    settings: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Experiment:
    """The parts of a run, and what else it is made of.

    A reference is a source; ``eval`` holds sources by the name of their results; ``pretrained`` is the directory of a
    finished run whose model this one starts from; ``projection`` how its poses
    are seen; ``phase`` holds the settings of each phase of the schedule; ``seeds``
    is how many seeds, from that of the training on, are trained together.
    """

    source: tuple[ComponentSpec, ...]
    lifter: ComponentSpec
    objective: ComponentSpec
    reference: ComponentSpec | None = None
    augmentor: tuple[ComponentSpec, ...] = ()
    reweighter: ComponentSpec | None = None
    discriminator: tuple[ComponentSpec, ...] = ()
    root: ComponentSpec | None = None
    hook: tuple[ComponentSpec, ...] = ()
    eval: Mapping[str, ComponentSpec] = attrs.field(factory=dict)
    reference_share: float = 1.0
    protocol: str = "default"
    hook_errors: str = "stop"
    epochs: int | None = None
    seeds: int = 1
    pretrained: str = ""
    projection: str = "perspective"
    phase: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = attrs.field(factory=dict)

    def components(self) -> dict[str, str]:
        """Return the names of the parts, for results: interface -> name, comma-separated where there are several."""
        named = {part: getattr(self, part).name for part in SINGLE_PARTS if getattr(self, part) is not None}
        named |= {part: ",".join(s.name for s in getattr(self, part)) for part in LISTED_PARTS if getattr(self, part)}
        return dict(sorted(named.items()))
