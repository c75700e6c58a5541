"""Predictions and the truth, for tests of metrics."""

from __future__ import annotations

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton

# The root in the middle, so that leaving it out is not the same as leaving out the first joint.
CHAIN = Skeleton("chain", ("a", "hub", "b", "c", "d"), ("hub", "", "hub", "hub", "c"))


def truth(n: int, seed: int = 0, skeleton: Skeleton = H36M_16, actions: int = 3) -> PoseBatch:
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(n, skeleton.num_joints, 3, generator=generator) * 0.3 + torch.tensor([0.0, 0.0, 5.0])
    camera = Camera.shared(n, (1145.0, 1145.0), (500.0, 500.0), (1000.0, 1000.0))
    labels = {"action": torch.arange(n) % actions}
    return PoseBatch.seen(skeleton, joints, camera, labels=labels)


def noisy(batch: PoseBatch, size: float = 0.1, seed: int = 9) -> torch.Tensor:
    noise = torch.randn(batch.absolute.shape, generator=torch.Generator().manual_seed(seed))
    return batch.absolute + size * noise
