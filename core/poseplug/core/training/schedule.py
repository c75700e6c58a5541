"""The schedule of a run: phases that train some of its roles on some of its poses, over and over in cycles."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.settings import REQUIRED, setting
from poseplug.core.training.optimiser import SCHEDULES, known_optimiser

ROLES = ("lifter", "root", "augmentor", "discriminator")


def _known_roles(names: tuple[str, ...]) -> str | None:
    unknown = [name for name in names if name.partition(":")[0] not in ROLES]
    return f"must be of {', '.join(ROLES)}; got {', '.join(unknown)}" if unknown or not names else None


@attrs.frozen(kw_only=True)
class Phase:
    """A stretch of steps within each cycle."""

    name: str = setting(REQUIRED, "what logs and messages call it")
    steps: int | None = setting(None, "steps in each cycle", minimum=1)
    share: float | None = setting(None, "share of the run's steps, instead of their number", above=0, maximum=1)
    trains: tuple[str, ...] = setting(
        ROLES,
        f"the roles that are updated: {', '.join(ROLES)}; or named parameter groups of one, as in lifter:legs, while "
        "its others stay as they are",
        check=_known_roles,
    )
    poses: str = setting(
        "augmented",
        "what the lifter trains on: drawn poses after the augmentors, as they were drawn, or those that were kept",
        choices=("augmented", "drawn", "kept"),
    )
    keep: bool = setting(False, "keep the augmented poses that their augmentor accepts for phases that train on them")
    first_cycle: int = setting(1, "the first cycle that has this phase", minimum=1)
    last_cycle: int | None = setting(None, "the last cycle that has it", minimum=1)
    lr_factor: float = setting(1.0, "factor on every learning rate", above=0)
    fresh: bool = setting(False, "an optimiser of its own, whose schedule spans this phase's updates")
    lr: float | None = setting(None, "learning rate of all that it trains, by an optimiser of its own", above=0)
    lr_schedule: str | None = setting(None, "how that rate goes over this phase's updates", choices=SCHEDULES)
    optimiser: str | None = setting(None, "an optimiser of its own, by its name in torch.optim", check=known_optimiser)

    def __attrs_post_init__(self) -> None:
        if (self.steps is None) == (self.share is None):
            raise ValueError(f"phase '{self.name}' needs either 'steps' or 'share'; give one of them")

    @property
    def own_optimiser(self) -> bool:
        """Whether what it trains is not trained on by the run's optimisers."""
        return self.fresh or any(value is not None for value in (self.lr, self.lr_schedule, self.optimiser))

    def in_cycle(self, cycle: int) -> bool:
        """Say whether cycle ``cycle``, counted from 1, has this phase."""
        return self.first_cycle <= cycle and (self.last_cycle is None or cycle <= self.last_cycle)

    def groups(self, role: str) -> tuple[str, ...] | None:
        """Return the parameter groups of a role that it trains: () for all of them, None where it trains none."""
        named = [name.partition(":") for name in self.trains]
        if any(name == role and not colon for name, colon, _ in named):
            return ()
        return tuple(group for name, _, group in named if name == role) or None


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
        PoseplugError: a cycle without phases, so that the steps could never be reached; two phases of one name.
    """

    def __init__(self, phases: Sequence[Phase], steps: int) -> None:
        self.phases = tuple(phases) or (Phase(name="train", steps=steps),)
        self.steps = steps
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise PoseplugError(f"Two phases of this run have one name ({', '.join(names)}); give each its own.")
        lengths = self._lengths()
        self._starts: list[int] = []
        self._moments: list[Moment] = []
        start, cycle = 0, 0
        while start < steps:
            cycle += 1
            present = [phase for phase in self.phases if phase.in_cycle(cycle)]
            if not any(lengths[phase.name] for phase in present):
                raise PoseplugError(
                    f"No phase of this run has cycle {cycle}, and {steps - start} steps are left; "
                    "give one a later last_cycle, or the run fewer steps."
                )
            for phase in present:
                if lengths[phase.name]:
                    self._starts.append(start)
                    self._moments.append(Moment(phase, cycle))
                    start += lengths[phase.name]

    def _lengths(self) -> dict[str, int]:
        """Return the steps of each phase in a cycle; shares are rounded so that they add up."""
        lengths, share = {}, 0.0
        for phase in self.phases:
            before, share = share, share + (phase.share or 0.0)
            lengths[phase.name] = phase.steps or round(share * self.steps) - round(before * self.steps)
        return lengths

    def at(self, step: int) -> Moment:
        """Return where step ``step``, counted from 0, is."""
        return self._moments[bisect.bisect_right(self._starts, step) - 1]

    def updates(self, every: int, trained_in: Callable[[Phase], bool], first: int | None = None) -> int:
        """Return how many steps of the run are a multiple of ``every``, in phases of which ``trained_in`` holds.

        Of all its steps, or of the ``first`` so many.
        """
        last = self.steps if first is None else first
        ends = [*self._starts[1:], self.steps]
        spans = zip(self._moments, self._starts, ends, strict=True)
        return sum(
            max(0, -(-min(end, last) // every) + -start // every)
            for moment, start, end in spans
            if trained_in(moment.phase)
        )
