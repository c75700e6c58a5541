"""The settings that the source ``evolved`` and the augmentor ``evolution`` share."""

from __future__ import annotations

import math

import attrs

from poseplug.core.settings import setting
from poseplug_evoskeleton.evolution.crossover import LENGTHS, SUBTREES
from poseplug_evoskeleton.evolution.mutation import MUTATIONS
from poseplug_evoskeleton.evolution.selection import SELECTIONS


@attrs.frozen(kw_only=True)
class OperatorSettings:
    """How children come of their parents; the defaults are those of the released code, but for ``selection``."""

    subtrees: str = setting(
        "limbs",
        "what parents exchange: both legs, both arms, or what hangs below one of their joints (limbs, released code); "
        "or what hangs below any joint, the head as well (any, the paper)",
        choices=SUBTREES,
    )
    lengths: str = setting(
        "other",
        "whose limbs' lengths a child has: all of the parent whose torso it has not (other, released code), with each "
        "bone its own (exchanged, the paper), or those of the parent whose torso it has (own)",
        choices=LENGTHS,
    )
    mutation: str = setting(
        "axes",
        "how bones mutate: each exchanged one may turn about a random axis (axes, released code), or azimuth and "
        "elevation of one bone change (angles, the paper)",
        choices=MUTATIONS,
    )
    mutation_rate: float = setting(0.3, "axes: probability that an exchanged bone is turned", minimum=0, maximum=1)
    mutation_std: float = setting(
        10.0, "standard deviation of the angles by which bones turn", unit="degrees", minimum=0
    )
    turn_rate: float = setting(0.1, "probability that a child turns as a whole", minimum=0, maximum=1)
    turn_std: float = setting(
        60.0,
        "standard deviation of that turn about a random axis of the world; the released code means to use 30",
        unit="degrees",
        minimum=0,
    )
    floor: bool = setting(True, "children are put on the floor, the lowest joint N(20, 3) mm above it")
    selection: str = setting(
        "all",
        "which limb bones must point where bodies can: all (the paper), the lower ones (what the released code comes "
        "to), or none",
        choices=SELECTIONS,
    )
    limits: str = setting("", "a file of joint limits; none: those that come with poseplug", path=True)

    @property
    def mutation_angle(self) -> float:
        """mutation_std in radians."""
        return math.radians(self.mutation_std)

    @property
    def turn_angle(self) -> float:
        """turn_std in radians."""
        return math.radians(self.turn_std)
