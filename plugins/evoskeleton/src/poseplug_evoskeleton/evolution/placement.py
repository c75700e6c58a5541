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
        axes: [N, 3, 3] the world's axes in the camera frame: axis (x, y, z; y is up), coordinate.
        vertical: [N, 4] upwards in the camera frame, and the height of the camera above the floor in metres.
    """

    axes: Tensor
    vertical: Tensor

    @classmethod
    def under(cls, batch: PoseBatch) -> Ground:
        """Return the ground under poses."""
        camera = batch.camera
        if camera.rotation is not None and camera.position is not None:
            axes = camera.rotation.mT.contiguous()
            return cls(axes, torch.cat([axes[:, 1], camera.position[:, 1:2]], 1))
        axes = constant(((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)), batch.device).expand(len(batch), 3, 3)
        level = FLOOR_HEIGHT + batch.absolute[..., 1].amax(1, keepdim=True)
        return cls(axes, torch.cat([axes[:, 1], level], 1))


def place_on_floor(coordinates: Tensor, vertical: Tensor, height: Tensor) -> Tensor:
    """Return poses moved along the vertical until their lowest joint is at a height above the floor.

    Args:
        coordinates: [3, J, N] of joints in the camera frame, metres.
        vertical: [4, N], columns of ``Ground.vertical``.
        height: [N] metres.
    """
    up, level = vertical[:3], vertical[3]
    lowest = torch.addcmul(torch.addcmul(coordinates[0] * up[0], coordinates[1], up[1]), coordinates[2], up[2]).amin(0)
    return coordinates + (up * (height - level - lowest))[:, None]


def draw_heights(n: int, generator: torch.Generator) -> Tensor:
    """Return heights [n] of lowest joints above the floor, metres: N(20, 3) mm."""
    return torch.randn(n, generator=generator, device=generator.device) * FLOOR_STD + FLOOR_HEIGHT


def in_front(coordinates: Tensor) -> Tensor:
    """Return [N] bool: which poses [3, J, N] have no joint nearer than MIN_DEPTH to the camera."""
    return coordinates[2].amin(0) >= MIN_DEPTH
