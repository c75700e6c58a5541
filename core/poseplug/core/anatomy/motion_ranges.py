"""Ranges of motion that have been published for healthy joints, as regions on the sphere.

Degrees, from the anatomical position. Sources:

- AAOS: American Academy of Orthopaedic Surgeons, "Joint Motion: Method of Measuring and Recording", 1965, as tabled in
  Norkin and White, "Measurement of Joint Motion", appendix A. Shoulder: flexion 180, extension 60, abduction 180,
  inward rotation 70, outward rotation 90. Elbow: flexion 150. Hip, as it is commonly quoted: flexion 120, extension
  30, abduction 45, adduction 30, rotation 45 each way.
- CDC: Soucie et al., "Range of motion measurements: reference values and a database for comparison studies",
  Haemophilia 17 (2011), doi 10.1111/j.1365-2516.2010.02399.x: the most mobile group's mean knee flexion, 153.
- AMA: American Medical Association, "Guides to the Evaluation of Permanent Impairment", as commonly quoted. Neck:
  flexion 50, extension 60, to the side 45. Lumbar spine: flexion 60, extension 25, to the side 25. Shoulder: inward
  rotation 80 or more.
- Clinical textbooks, which differ: of the shoulder adduction 50, horizontal flexion 135, horizontal extension 45.

These are means, and people differ by some eight degrees. Hips are measured against the pelvis, thighs here against the
spine, so that half of the lumbar spine's range is the thigh's as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from poseplug.core.anatomy.hinges import bends

_SPREAD = 8.0
_HEAD = {"flexion": 50, "extension": 60, "side": 45}
_LUMBAR = {"flexion": 60 / 2, "extension": 25 / 2, "side": 25 / 2}
_HIP = {"flexion": 120, "extension": 30, "abduction": 45, "adduction": 30, "rotation": 45}
_KNEE, _ELBOW = 153.0, 150.0
# How far a rotation about the bone's own axis is known; the shoulder blade moves with the arm and the shin in the knee.
_TWIST = 15.0
_INWARDS, _OUTWARDS = 80.0, 90.0
# An outstretched arm or leg is not quite straight, in any direction.
_NEARLY_STRAIGHT = 8.0
# How high the arm can be raised (0: hanging, 180: overhead) at angles around the body: 0 outwards, 90 forwards. Behind
# the back, at 225, the trunk is in its way.
_RAISED = ((-90, 60), (-45, 90), (0, 180), (90, 180), (135, 90), (180, 50), (225, 30), (270, 60))


def upper_ranges(kind: str, directions: Tensor) -> Tensor:
    """Return which directions [3, C] of a bone that hangs from the torso are in its ranges, bool [C].

    Args:
        kind: "head", "upper_arm" or "thigh".
        directions: in the frame of the torso (right, down, forward), of the right side.
    """
    return _UPPER[kind](*directions)


def lower_ranges(kind: str, parents: Tensor, children: Tensor) -> Tensor:
    """Return which pairs of directions are in the ranges of elbow or knee, bool [P, C]; arguments as in ``bends``."""
    bend, azimuth = (torch.rad2deg(angle) for angle in bends(kind, parents, children))
    if kind == "shin":
        within = (bend <= _KNEE + _SPREAD) & (azimuth.abs() <= _HIP["rotation"] + 2 * _TWIST)
    else:
        turned = (azimuth <= _INWARDS + _TWIST) & (azimuth >= -_OUTWARDS - _TWIST)
        # Overhead the plane in which the elbow bends depends on the way up.
        overhead = parents[1] < math.cos(math.radians(150))
        within = (bend <= _ELBOW + _SPREAD) & (turned | overhead[:, None])
    return within | (bend <= _NEARLY_STRAIGHT)


def _head(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    forward, aside = _degrees(torch.atan2(z, -y)), _degrees(torch.asin(x.clamp(-1, 1)))
    nods = (forward <= _HEAD["flexion"] + _SPREAD) & (forward >= -_HEAD["extension"] - _SPREAD)
    return nods & (aside.abs() <= _HEAD["side"] + _SPREAD)


def _thigh(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    flexion, abduction = _degrees(torch.atan2(z, y)), _degrees(torch.asin(x.clamp(-1, 1)))
    high, low = (_HIP[way] + _LUMBAR[way] + _SPREAD for way in ("flexion", "extension"))
    out, across = (_HIP[way] + _LUMBAR["side"] + _SPREAD for way in ("abduction", "adduction"))
    # Nobody is at the end of both ranges at once.
    forth, aside = flexion / torch.where(flexion > 0, high, low), abduction / torch.where(abduction > 0, out, across)
    return forth.square() + aside.square() <= 1


def _upper_arm(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    raised, around = _degrees(torch.acos(y.clamp(-1, 1))), _degrees(torch.atan2(z, x))
    around = torch.where(around < -90, around + 360, around)
    places, highest = (torch.tensor(column, dtype=x.dtype) for column in zip(*_RAISED, strict=True))
    after = torch.searchsorted(places, around.contiguous()).clamp(1, len(places) - 1)
    share = (around - places[after - 1]) / (places[after] - places[after - 1])
    return raised <= torch.lerp(highest[after - 1], highest[after], share) + _SPREAD


def _degrees(angle: Tensor) -> Tensor:
    return torch.rad2deg(angle)


_UPPER: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "head": _head,
    "upper_arm": _upper_arm,
    "thigh": _thigh,
}
