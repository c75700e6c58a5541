"""What stands in for the rest of a run around the objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Step, Stream
from poseplug_pose2drep.reprojection import Reprojection, ReprojectionConfig

CONTEXT = BuildContext(skeleton=H36M_17)
PAIR = Skeleton("pair", ("root", "tip"), ("", "root"))
Lift = Callable[[PoseBatch], Tensor]


def build(**settings: Any) -> Reprojection:
    return Reprojection(ReprojectionConfig(**settings), CONTEXT)


def image_of(batch: PoseBatch) -> Tensor:
    return max_normalised(batch.joints_2d, batch.skeleton.root, batch.extent)


def size(batch: PoseBatch) -> dict[str, Tensor]:
    """What a stand-in discriminator says: a loss that looks at every coordinate, not all alike."""
    image = image_of(batch)
    factors = torch.linspace(0.5, 2, image[0].numel()).view_as(image[0])
    return {"judge": (image * factors - 0.1).square().mean()}


def make_step(poses: PoseBatch, lift: Lift, seed: int = 0, **facts: Any) -> Step:
    streams = facts.pop("streams", (Stream("training", poses),))
    judge = facts.pop("judge", lambda stage, batch: size(batch))
    return Step(streams, lift, judge, torch.Generator().manual_seed(seed), 0.5, **facts)


def losses(part: Reprojection, poses: PoseBatch, lift: Lift, **facts: Any) -> dict[str, Tensor]:
    return dict(part.loss(make_step(poses, lift, **facts)))


def smooth(factor: float = 1.0) -> Lift:
    """A lifter of any kind, without sense: a fixed smooth map of what it sees, with a root that is not zero."""

    def lift(batch: PoseBatch) -> Tensor:
        image = image_of(batch)
        mixed = torch.cos(torch.arange(image[0].numel() * len(image[0])) * 1.7).view(-1, len(image[0]))
        depth = factor * torch.tanh(0.3 * (image + 0.2).flatten(1) @ mixed)
        return torch.cat([image, depth[..., None]], dim=-1)

    return lift


def rows(azimuth: float, elevation: float) -> np.ndarray:
    """R for row vectors: azimuth about y first, then elevation about x."""
    ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
    about_y = np.array([[ca, 0, -sa], [0, 1, 0], [sa, 0, ca]])
    about_x = np.array([[1, 0, 0], [0, ce, se], [0, -se, ce]])
    return about_y @ about_x
