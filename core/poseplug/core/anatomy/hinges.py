"""Elbows and knees as hinges: how far they are bent, and which way round the bone above.

A straight limb has ``bend`` 0. ``azimuth`` is 0 where it bends as it does while the bone above is not twisted about its
own axis, and positive inwards. An untwisted knee bends about the torso's axis to the right, as far as the thigh's
direction permits. An untwisted elbow bends forwards while the arm hangs, and is taken along by the smallest turn of the
arm; overhead it depends on the way up, and azimuth says nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from poseplug.core.anatomy.limb_frames import turn

# Where a straight bone of the right side points in its own frame; see limb_frames.
REST = (1 / math.sqrt(3),) * 3
# Beyond these azimuths a joint bends the wrong way. Hips turn by 45 degrees either way and shoulders by up to 90; the
# rest is for neighbouring bones above, and for bodies.
_WRONG_WAY = {"shin": math.radians(105), "forearm": math.radians(135)}
# What is measured as straight may be this much beyond it.
STRAIGHT = math.radians(6)
_OVERHEAD = math.cos(math.radians(120))


def bends(kind: str, parents: Tensor, children: Tensor) -> tuple[Tensor, Tensor]:
    """Return bends and azimuths (rad), [P, C] each, for each direction of a bone above with each of those below.

    Args:
        kind: "forearm" or "shin".
        parents: unit vectors [3, P] in the frame of the torso; of the right side.
        children: unit vectors [3, C], each in a frame turned along with the bone above.
    """
    rest = torch.tensor(REST, dtype=parents.dtype)[:, None]
    way = turn(parents, rest.expand_as(parents), _way(kind, parents))
    sideways = torch.linalg.cross(way, rest.expand_as(way), dim=0)
    inwards = -sideways if kind == "shin" else sideways  # knees bend to the other side than elbows
    along, aside = way.T @ children, inwards.T @ children
    straight = (rest.T @ children).expand_as(along)
    return torch.atan2(torch.hypot(along, aside), straight), torch.atan2(aside, along)


def overextended(kind: str, parents: Tensor, children: Tensor) -> Tensor:
    """Return which pairs [P, C] are bent the wrong way, for elbows only of arms that are not raised high."""
    bend, azimuth = bends(kind, parents, children)
    wrong = (bend > STRAIGHT) & (azimuth.abs() > _WRONG_WAY[kind])
    return wrong if kind == "shin" else wrong & (parents[1] > _OVERHEAD)[:, None]


def _way(kind: str, parents: Tensor) -> Tensor:
    """Return the unit vectors [3, P] that children bend towards from bones above, at azimuth 0."""
    x, y, z = parents
    if kind == "shin":
        level = torch.hypot(y, z).clamp_min(1e-9)
        return torch.stack([torch.zeros_like(x), z / level, -y / level])
    down, forward = torch.zeros_like(parents), torch.zeros_like(parents)
    down[1], forward[2] = 1, 1
    return turn(down, parents, forward)
