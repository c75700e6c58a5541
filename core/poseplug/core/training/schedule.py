"""The schedule of a run: phases that train some of its roles on some of its poses, over and over in cycles."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.settings import REQUIRED, setting

ROLES = ("lifter", "root", "augmentor", "discriminator")


def _known_roles(names: tuple[str, ...]) -> str | None:
    unknown = [name for name in names if name not in ROLES]
    return f"must be of {', '.join(ROLES)}; got {', '.join(unknown)}" if unknown or not names else None


@attrs.frozen(kw_only=True)
class Phase:
    """A stretch of steps within each cycle."""

    name: str = setting(REQUIRED, "what logs and messages call it")
    steps: int = setting(REQUIRED, "steps in each cycle", minimum=1)
    trains: tuple[str, ...] = setting(ROLES, f"the roles that are updated: {', '.join(ROLES)}", check=_known_roles)
    poses: str = setting(
        "augmented",
        "what the lifter trains on: drawn poses after the augmentors, as they were drawn, or those that were kept",
        choices=("augmented", "drawn", "kept"),
    )
    keep: bool = setting(False, "keep the augmented poses that their augmentor accepts for phases that train on them")
    first_cycle: int = setting(1, "the first cycle that has this phase", minimum=1)
    last_cycle: int | None = setting(None, "the last cycle that has it", minimum=1)
    lr_factor: float = setting(1.0, "factor on every learning rate", above=0)

    def in_cycle(self, cycle: int) -> bool:
        """Say whether cycle ``cycle``, counted from 1, has this phase."""
        return self.first_cycle <= cycle and (self.last_cycle is None or cycle <= self.last_cycle)


@attrs.frozen
class Moment:
    """Where in the schedule a step is: its phase and its cycle, counted from 1."""

    phase: Phase
    cycle: int


class Schedule:
    """Tells the phase of every step.

    Args:
        phases: in the order of a cycle; none means that every step trains everything.
        steps: of the whole run; the last cycle may be cut short.

    Raises:
        PoseplugError: a cycle without phases, so that the steps could never be reached.
    """

    def __init__(self, phases: Sequence[Phase], steps: int) -> None:
        self.phases = tuple(phases) or (Phase(name="train", steps=steps),)
        self.steps = steps
        self._starts: list[int] = []
        self._moments: list[Moment] = []
        start, cycle = 0, 0
        while start < steps:
            cycle += 1
            present = [phase for phase in self.phases if phase.in_cycle(cycle)]
            if not present:
                raise PoseplugError(
                    f"No phase of this run has cycle {cycle}, and {steps - start} steps are left; "
                    "give one a later last_cycle, or the run fewer steps."
                )
            for phase in present:
                self._starts.append(start)
                self._moments.append(Moment(phase, cycle))
                start += phase.steps

    def at(self, step: int) -> Moment:
        """Return where step ``step``, counted from 0, is."""
        return self._moments[bisect.bisect_right(self._starts, step) - 1]

    def updates(self, role: str) -> int:
        """Return how many steps of the run train a role."""
        ends = [*self._starts[1:], self.steps]
        spans = zip(self._moments, self._starts, ends, strict=True)
        return sum(max(0, min(end, self.steps) - start) for moment, start, end in spans if role in moment.phase.trains)
