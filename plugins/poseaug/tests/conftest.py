from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import torch

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.kinematics import joints_from_bones
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import ViewRange

People = Callable[..., PoseBatch]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def people() -> People:
    """People who stand loosely about the middle of the ground, each before an upright camera of their own."""

    def make(n: int = 12, skeleton: Skeleton = H36M_16, distorted: bool = True, seed: int = 0) -> PoseBatch:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(n, skeleton.num_bones, 3, generator=generator) * 0.4
        directions = torch.nn.functional.normalize(torch.tensor(skeleton.rest_directions) + noise, dim=-1)
        lengths = 0.15 + 0.3 * torch.rand(n, skeleton.num_bones, 1, generator=generator)
        world = joints_from_bones(directions * lengths, torch.zeros(n, 3), skeleton) * torch.tensor([1.0, -1.0, -1.0])
        camera = ViewRange().sample(n, generator)
        if distorted:
            camera = attrs.evolve(camera, distortion=torch.tensor([[-0.2, 0.24, 0.007, -0.001, -0.002]]).expand(n, -1))
        joints = camera.world_to_camera(world + torch.tensor([0.0, 0.9, 0.0]))
        return PoseBatch.seen(skeleton, joints, camera, origin=Origin.CAPTURED, labels={"action": torch.arange(n) % 3})

    return make
