from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.geometry.skeleton import Skeleton

People = Callable[..., tuple[PoseBatch, Tensor]]


def shuffled() -> Skeleton:
    """The 17 joints in another order, with the root in the middle and limbs torn apart, and named hands."""
    order = [*range(1, 17, 3), *range(3, 17, 3), 0, *range(2, 17, 3)]
    hands = {"LHand": "LWrist", "RHand": "RWrist"}
    parts = {
        name: (*joints, *(hand for hand, wrist in hands.items() if wrist in joints))
        for name, joints in H36M_17.parts.items()
    }
    return Skeleton(
        "shuffled",
        ("RHand", *(H36M_17.joints[i] for i in order), "LHand"),
        ("RWrist", *(H36M_17.parents[i] for i in order), "LWrist"),
        parts=parts,
    )


@pytest.fixture
def shuffled_skeleton() -> Skeleton:
    return shuffled()


@pytest.fixture
def people() -> People:
    """People without 3D labels, and their true poses [N, J, 3] about the root in units of the extent."""

    def make(n: int = 6, skeleton: Skeleton = H36M_17, nearness: float = 0.0) -> tuple[PoseBatch, Tensor]:
        generator = torch.Generator().manual_seed(n)
        pose = torch.randn(n, skeleton.num_joints, 3, generator=generator) * 0.4
        pose[:, skeleton.root] = 0
        image = pose[..., :2] / (1 + nearness * pose[..., 2:])
        scale = image.abs().amax((1, 2))[:, None, None]
        # The same image at another scale is that of a body of another size with the depths squeezed.
        pose = torch.cat([pose[..., :2] / scale, pose[..., 2:]], dim=-1)
        root = torch.rand(n, 1, 2, generator=generator) * 600 + 200
        extent = 80 + 100 * torch.rand(n, 1, 1, generator=generator)
        camera = Camera.shared(n, (1100.0, 1100.0), (500.0, 500.0), (1000.0, 1000.0))
        return PoseBatch(skeleton, root + extent * image / scale, camera), pose

    return make


class Oracle:
    """A lifter that knows the true poses and finds out how each is seen, by linear algebra alone.

    It knows people by the place of their root in the image.

    It solves (1 + nearness X r3) (u, v) = (X r1, X r2) for the three rows of the map that turned a true pose X; under
    orthography r3 is the cross product of the other two.
    """

    def __init__(self, people: PoseBatch, poses: Tensor, nearness: float = 0.0) -> None:
        self.root = people.skeleton.root
        self.roots = people.joints_2d[:, self.root]
        self.poses = poses.double()
        self.nearness = nearness
        self.calls: list[PoseBatch] = []

    def __call__(self, batch: PoseBatch) -> Tensor:
        self.calls.append(batch)
        who = torch.cdist(batch.joints_2d[:, self.root].detach(), self.roots).argmin(1)
        image = max_normalised(batch.joints_2d, self.root, batch.extent).double()
        depth = self._perspective(image, self.poses[who]) if self.nearness else self._parallel(image, self.poses[who])
        return torch.cat([image, depth[..., None]], dim=-1).float()

    @staticmethod
    def _parallel(image: Tensor, pose: Tensor) -> Tensor:
        first, second = torch.linalg.lstsq(pose, image).solution.unbind(-1)
        return (pose @ torch.linalg.cross(first, second)[..., None])[..., 0]

    def _perspective(self, image: Tensor, pose: Tensor) -> Tensor:
        rows = []
        for axis in range(2):
            blocks = [torch.zeros_like(pose), torch.zeros_like(pose), -self.nearness * image[..., axis, None] * pose]
            blocks[axis] = pose
            rows.append(torch.cat(blocks, dim=-1))
        system, right = torch.cat(rows, dim=1), torch.cat([image[..., 0], image[..., 1]], dim=1)
        third = torch.linalg.lstsq(system, right[..., None]).solution[:, 6:]
        return (pose @ third)[..., 0]


@pytest.fixture
def oracle() -> type[Oracle]:
    return Oracle
