"""An experiment: which parts, with which settings, trained how. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from poseplug.core.kinds import slots


@attrs.frozen
class ComponentSpec:
    """A component's name and the settings given for it, typed or as text from the command line."""

    name: str
    settings: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Experiment:
    """What a run is made of.

    Attributes:
        parts: slot -> key -> component. The key is "" where a slot takes one component, "0", "1", ... where it takes
            several, and the label where they are labelled.
        phases: the settings of each phase of the schedule.
        settings: those of the run itself: how it trains, how it is measured.
    """

    parts: Mapping[str, Mapping[str, ComponentSpec]]
    phases: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = attrs.field(factory=dict)

    def components(self) -> dict[str, str]:
        """Return the names of the parts, for results: slot -> name, comma-separated where there are several.

        What is labelled has its results under its label.
        """
        kept = [slot.name for slot in slots() if slot.arity != "labelled" and self.parts.get(slot.name)]
        return {slot: ",".join(spec.name for spec in self.parts[slot].values()) for slot in sorted(kept)}
