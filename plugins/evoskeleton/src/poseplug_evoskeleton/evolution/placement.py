"""Where is up, and where is the floor: what a camera knows of the world, or what its picture suggests."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import TensorRecord, constant

# Metres: how high the lowest joint is above the floor, and how much that differs (released code: 20 and 3 mm).
FLOOR_HEIGHT, FLOOR_STD = 0.02, 0.003
# Poses have no joint nearer than that to the camera that sees them, metres.
MIN_DEPTH = 0.3


@attrs.frozen(eq=False)
class Ground(TensorRecord):
    """The world in the camera frames of N poses.

    A camera with extrinsics knows the world, which has y up and the floor at 0. Where there are none, the camera counts
    as upright, and the floor is such that the lowest joint of the pose is FLOOR_HEIGHT above it.

    Attributes:
        facts: [N, 10] the world's three axes (x, y, z; y is up) in the camera frame, and the height of the camera above
            the floor in metres.
    """

    facts: Tensor

    @classmethod
    def under(cls, batch: PoseBatch) -> Ground:
        """Return the ground under poses."""
        camera = batch.camera
        if camera.rotation is not None and camera.position is not None:
            return cls(torch.cat([camera.rotation.mT.flatten(1), camera.position[:, 1:2]], 1))
        axes = constant((1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0), batch.device).expand(len(batch), -1)
        return cls(torch.cat([axes, FLOOR_HEIGHT + batch.absolute[..., 1].amax(1, keepdim=True)], 1))

    def columns(self) -> tuple[Tensor, Tensor]:
        """Return the axes [3, 3, N], axis before coordinate, and the heights [N] of the cameras."""
        table = self.facts.t().contiguous()
        return table[:9].view(3, 3, len(self.facts)), table[9]


def place_on_floor(coordinates: Tensor, up: Tensor, level: Tensor, height: Tensor) -> Tensor:
    """Return poses moved along the vertical until their lowest joint is at a height above the floor.

    Args:
        coordinates: [3, J, N] of joints in the camera frame, metres.
        up: [3, N] unit vectors.
        level: [N] height of the camera above the floor, metres.
        height: [N] metres.
    """
    lowest = torch.addcmul(torch.addcmul(coordinates[0] * up[0], coordinates[1], up[1]), coordinates[2], up[2]).amin(0)
    return coordinates + (up * (height - level - lowest))[:, None]


def draw_heights(n: int, generator: torch.Generator) -> Tensor:
    """Return heights [n] of lowest joints above the floor, metres: N(20, 3) mm."""
    return torch.randn(n, generator=generator, device=generator.device) * FLOOR_STD + FLOOR_HEIGHT


def in_front(coordinates: Tensor) -> Tensor:
    """Return [N] bool: which poses [3, J, N] have no joint nearer than MIN_DEPTH to the camera."""
    return coordinates[2].amin(0) >= MIN_DEPTH
