"""What an action of the built-in reference is: joint angles in a posture, its variation, and periodic movements.

Angles are in degrees and anatomical: flexion of hip and shoulder lifts the limb forwards, abduction sideways away from
the body, ``turn`` rotates it inwards about its own axis; knees and elbows bend by positive angles; pitch leans
forwards, roll to the right, yaw turns to the left. Leg angles are relative to an upright pelvis, so leaning does not
move the feet.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

_SIDE = ("hip_flex", "hip_abd", "hip_turn", "knee", "shrug", "arm_flex", "arm_abd", "arm_turn", "elbow")
ANGLES = (
    *(f"{part}_{axis}" for part in ("pelvis", "spine", "head") for axis in ("pitch", "roll", "yaw")),
    *(f"{side}_{angle}" for side in "rl" for angle in _SIDE),
)
# Ranges of motion after the American Academy of Orthopaedic Surgeons, Joint Motion: Method of Measuring and Recording,
# 1965; those of trunk, shoulder girdle and inward rotation are kept well inside. A hip bends by 120 degrees against a
# pelvis that tilts back by another 12 when seated.
LIMITS: Mapping[str, tuple[float, float]] = (
    {"pelvis_pitch": (-25, 70), "pelvis_roll": (-15, 15), "pelvis_yaw": (-20, 20)}
    | {"spine_pitch": (-20, 60), "spine_roll": (-30, 30), "spine_yaw": (-40, 40)}
    | {"head_pitch": (-40, 40), "head_roll": (-30, 30), "head_yaw": (-65, 65)}
    | {"hip_flex": (-25, 132), "hip_abd": (-20, 40), "hip_turn": (-40, 40), "knee": (1, 135)}
    | {"shrug": (-5, 25), "arm_flex": (-50, 175), "arm_abd": (-25, 170), "arm_turn": (-85, 80), "elbow": (2, 150)}
)
# How far angles wander about their course within a clip, unless an action says otherwise.
WANDER: Mapping[str, float] = (
    {"pelvis_pitch": 1.5, "pelvis_roll": 1.5, "pelvis_yaw": 2, "spine_pitch": 3, "spine_roll": 3, "spine_yaw": 5}
    | {"head_pitch": 7, "head_roll": 4, "head_yaw": 14, "hip_flex": 1.5, "hip_abd": 1.5, "hip_turn": 2, "knee": 2.5}
    | {"shrug": 1, "arm_flex": 5, "arm_abd": 4, "arm_turn": 7, "elbow": 8}
)


def angle_kind(angle: str) -> str:
    """Return what LIMITS and WANDER call an angle: its name without the side."""
    return angle.removeprefix("r_").removeprefix("l_")


@attrs.frozen
class Wave:
    """A periodic movement of one angle: ``size * shape(cycles * times - centre)``.

    Attributes:
        angle: one of ANGLES.
        size: degrees at the peak.
        centre: where in the cycle the peak is, 0 to 1; None puts it anywhere, anew for every clip.
        sharpness: 0 for a cosine; above, a bump from 0 to ``size`` and back that is the shorter the sharper.
        times: how often it happens in one cycle.
    """

    angle: str
    size: float
    centre: float | None = None
    sharpness: float = 0.0
    times: float = 1.0


@attrs.frozen
class Action:
    """What people do.

    Attributes:
        name: as Human3.6M calls it.
        posture: for angles the mean and the standard deviation over clips; the others are zero.
        waves: the movements.
        rate: cycles a second, from and to.
        wander: factor on WANDER.
        turning: how far, in degrees, the person turns round during a clip.
    """

    name: str
    posture: Mapping[str, tuple[float, float]]
    waves: tuple[Wave, ...] = ()
    rate: tuple[float, float] = (0.15, 0.3)
    wander: float = 1.0
    turning: float = 20.0
