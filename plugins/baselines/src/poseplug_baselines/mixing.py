"""Changing some poses, or some batches, and leaving the others exactly as they are."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera

MIXINGS = ("pose", "batch")
MIXING = "what is drawn against the share: each pose by itself, or the batch as a whole (every second batch, say)"


def choose(n: int, share: float, mixing: str, generator: torch.Generator) -> Tensor:
    """Return [n] bool: which poses to change, each with probability ``share``, or all or none of them."""
    draws = n if mixing == "pose" else 1
    return (torch.rand(draws, generator=generator, device=generator.device) < share).expand(n)


def keep_others(before: PoseBatch, after: PoseBatch, changed: Tensor) -> PoseBatch:
    """Return ``after`` where ``changed`` [N] holds, and elsewhere ``before`` bit for bit, its 2D noise included.

    What the two batches share (labels, weights, intrinsics) is taken from ``after``; where nobody asked for origins
    before, nobody is told now.
    """

    def pick(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(changed.view(-1, *[1] * (new.ndim - 1)), new, old)

    return attrs.evolve(
        after,
        joints_2d=pick(after.joints_2d, before.joints_2d),
        joints_3d=pick(after.absolute, before.absolute),
        camera=_picked_camera(before.camera, after.camera, changed),
        origin=None if before.origin is None or after.origin is None else pick(after.origin, before.origin),
    )


def _picked_camera(before: Camera, after: Camera, changed: Tensor) -> Camera:
    if before.rotation is None or before.position is None or after.rotation is None or after.position is None:
        return after
    rotation = torch.where(changed[:, None, None], after.rotation, before.rotation)
    position = torch.where(changed[:, None], after.position, before.position)
    return attrs.evolve(after, rotation=rotation, position=position)
