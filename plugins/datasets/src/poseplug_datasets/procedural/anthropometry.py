"""The seven bodies of the built-in reference: segment lengths as shares of stature.

Legs, arms and the heights of hip, shoulder, chin and eye: R. Drillis and R. Contini, Body Segment Parameters, report
1166-03, New York University, 1966, as printed in D. A. Winter, Biomechanics and Motor Control of Human Movement,
figure 4.1. That figure gives widths of the outline (hip 0.191, shoulders 0.259); the joints lie further inside, so the
distances of hip and shoulder joints from the middle are those of the Human3.6M bone templates, as shares of the stature
that their legs imply (hip 0.136 m and shoulder 0.151 m for legs of 0.899 m).
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton

_HIP, _SHOULDER, _CHIN, _EYE = 0.530, 0.818, 0.870, 0.936
ANKLE_HEIGHT = 0.039
THIGH, SHIN, UPPER_ARM, FOREARM = 0.245, 0.246, 0.186, 0.146
_TEMPLATE_STATURE = 0.899 / (THIGH + SHIN)
_HALF_HIPS = 0.136 / _TEMPLATE_STATURE
_HALF_SHOULDERS = 0.151 / _TEMPLATE_STATURE
# Where the middle joint of the back divides the way from hip to shoulder height (Human3.6M templates: 0.242 of 0.497).
_WAIST = 0.49


@attrs.frozen
class Subject:
    """A body: its stature in metres, and how far its parts deviate from the average shares."""

    name: str
    stature: float
    legs: float = 1.0
    arms: float = 1.0
    trunk: float = 1.0
    width: float = 1.0


# Statures from about the 20th percentile of women to the 95th of men, and proportions a few per cent apart. The names
# follow Human3.6M's split; the bodies are not those of its actors.
SUBJECTS = (
    Subject("S1", 1.66, legs=0.99, arms=0.98, trunk=1.02, width=0.96),
    Subject("S5", 1.59, legs=1.01, arms=0.97, trunk=0.99, width=1.02),
    Subject("S6", 1.81, legs=1.02, arms=1.02, trunk=0.98, width=0.98),
    Subject("S7", 1.73, legs=0.97, arms=1.01, trunk=1.03, width=1.05),
    Subject("S8", 1.88, legs=1.00, arms=1.03, trunk=1.00, width=1.06),
    Subject("S9", 1.77, legs=0.98, arms=0.99, trunk=1.02, width=1.03),
    Subject("S11", 1.70, legs=1.02, arms=1.00, trunk=0.98, width=0.97),
)
TEST_SUBJECTS = ("S9", "S11")


def bone_lengths(skeleton: Skeleton) -> Tensor:
    """Return the bone lengths [7, M] of all subjects on a Human3.6M layout, metres."""
    rows = []
    for subject in SUBJECTS:
        shares = _shares(subject)
        if "Neck" not in skeleton.joints:
            shares["Head"] += shares["Neck"]
        names = [skeleton.joints[child] for _, child in skeleton.bones]
        rows.append([subject.stature * shares[name.removeprefix("L").removeprefix("R")] for name in names])
    return torch.tensor(rows)


def statures() -> Tensor:
    """Return the statures [7] of all subjects, metres."""
    return torch.tensor([subject.stature for subject in SUBJECTS])


def _shares(subject: Subject) -> dict[str, float]:
    """Return the length of the bone that ends at each joint, as a share of the stature."""
    back = (_SHOULDER - _HIP) * subject.trunk
    return (
        {"Hip": _HALF_HIPS * subject.width, "Knee": THIGH * subject.legs, "Foot": SHIN * subject.legs}
        | {"Spine": back * _WAIST, "Thorax": back * (1 - _WAIST)}
        | {"Neck": (_CHIN - _SHOULDER) * subject.trunk, "Head": (_EYE - _CHIN) * subject.trunk}
        | {"Shoulder": _HALF_SHOULDERS * subject.width}
        | {"Elbow": UPPER_ARM * subject.arms, "Wrist": FOREARM * subject.arms}
    )
