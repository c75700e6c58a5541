"""People on the ground of a world with y up: upright, turned about the vertical, and apart from one another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import constant

# So many places are tried for a scene's people before they may stand nearer to each other; the released code does so.
TRIES = 100
# Of a body of stature 1 the ankle is at 0.039 (Drillis and Contini, 1966): metres, of somebody 1.75 m tall.
ANKLE_HEIGHT = 0.07
# Metres; nobody stands as far apart.
_FAR = 1e6


def upright(people: PoseBatch, stand: bool) -> Tensor:
    """Return joints [N, J, 3] in a world with y up, the ground at 0, and the root above the origin.

    Args:
        people: with 3D joints. Where their cameras have no place in a world, the image's up is taken to be vertical.
        stand: put the lowest joint at an ankle's height above the ground. Otherwise people are as high as they were;
            where there is no world, nobody knows how high, and they stand too.
    """
    camera = people.camera
    if camera.rotation is None:
        # Half a turn about the x axis: down becomes up, and forward becomes towards the viewer.
        world, stand = people.absolute * constant((1.0, -1.0, -1.0), people.device), True
    else:
        world = camera.camera_to_world(people.absolute)
    root = world[:, people.skeleton.root]
    lowest = world[..., 1].amin(1) - ANKLE_HEIGHT
    ground = lowest if stand else torch.zeros_like(lowest)
    return world - torch.stack([root[:, 0], ground, root[:, 2]], dim=-1)[:, None]


def turned(joints: Tensor, generator: torch.Generator) -> Tensor:
    """Turn each of N people [N, J, 3] about the vertical through the origin, by an angle drawn from all."""
    angle = torch.rand(len(joints), 1, generator=generator, device=generator.device) * (2 * math.pi)
    sin, cos = angle.sin(), angle.cos()
    x, y, z = joints.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def places(scenes: int, people: int, spread: float, spacing: float, generator: torch.Generator) -> Tensor:
    """Return places [S, P, 3] on the ground, drawn from a square about the origin.

    One person after another gets the next of ``TRIES`` drawn places that is ``spacing`` metres or more from all people
    before; where none is left, the one that is furthest from them.

    Args:
        spread: half the side of the square, metres.
        spacing: metres.
    """
    drawn = torch.rand(scenes, TRIES, 2, generator=generator, device=generator.device) * (2 * spread) - spread
    row = torch.arange(scenes, device=drawn.device)
    nearest = torch.full((scenes, TRIES), math.inf, device=drawn.device)
    # The first that fits counts more than any other, and any that fits more than the distance of one that does not.
    earlier = _FAR - torch.arange(TRIES, device=drawn.device, dtype=nearest.dtype)
    taken = []
    for _ in range(people):
        fits = nearest >= spacing
        found = torch.where(fits, earlier, nearest).argmax(1)
        place = drawn[row, found]
        taken.append(place)
        nearest = torch.minimum(nearest, torch.linalg.vector_norm(drawn - place[:, None], dim=-1))
        nearest[row, found] = -1.0  # nobody else, however near people may stand
    x, z = torch.stack(taken, dim=1).unbind(-1)
    return torch.stack([x, torch.zeros_like(x), z], dim=-1)
