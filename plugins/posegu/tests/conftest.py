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
from poseplug.core.sources.pose_table import PoseTable

ACTIONS, SUBJECTS = 3, 2
People = Callable[..., PoseTable]


@pytest.fixture
def people() -> People:
    """Real-looking people: scattered about their rest pose, on the ground, under upright distorting cameras."""

    def make(n: int = 120, skeleton: Skeleton = H36M_16, scatter: float = 0.5, distorted: bool = True) -> PoseTable:
        generator = torch.Generator().manual_seed(n)
        subject = torch.arange(n) % SUBJECTS
        # Alike on the left and the right, and 20 % longer for every further subject.
        base = 0.15 + 0.3 * torch.rand(skeleton.num_joints, generator=generator)
        base = ((base + base[list(skeleton.flip_index)]) / 2)[[child for _, child in skeleton.bones]]
        rest = torch.tensor(skeleton.rest_directions)
        bones = rest + scatter * torch.randn(n, skeleton.num_bones, 3, generator=generator)
        bones = torch.nn.functional.normalize(bones, dim=-1) * (base * (1 + 0.2 * subject[:, None]))[..., None]
        world = joints_from_bones(bones * torch.tensor([1.0, -1.0, -1.0]), torch.zeros(n, 3), skeleton)
        camera = ViewRange().sample(n, generator)
        if distorted:
            camera = attrs.evolve(camera, distortion=torch.tensor([[-0.2, 0.24, 0.007, -0.001, -0.002]]).expand(n, -1))
        poses = PoseBatch.seen(
            skeleton,
            camera.world_to_camera(world + torch.tensor([0.0, 0.9, 0.0])),
            camera,
            origin=Origin.CAPTURED,
            labels={"action": torch.arange(n) // SUBJECTS % ACTIONS, "subject": subject},
        )
        return PoseTable(poses, {"action": ("walk", "sit", "wave"), "subject": ("Ann", "Ben")})

    return make
