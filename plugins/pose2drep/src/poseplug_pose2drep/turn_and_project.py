"""Turning poses about their root and projecting them, in units of the pose itself."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

# A joint nearer to the camera than this share of the root's distance is projected as if it were there.
_NEAREST = 0.1


@attrs.frozen
class Turn:
    """Turns by an azimuth about y, then by an elevation about x; nothing here is a matrix product (TF32 would blur it).

    Attributes:
        cos_a, sin_a, cos_e, sin_e: [N, 1] of both angles.
    """

    cos_a: Tensor
    sin_a: Tensor
    cos_e: Tensor
    sin_e: Tensor

    @classmethod
    def of(cls, azimuth: Tensor, elevation: Tensor) -> Turn:
        """Return the turns by angles [N], radians."""
        azimuth, elevation = azimuth[:, None], elevation[:, None]
        return cls(azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin())

    def turn(self, pose: Tensor) -> Tensor:
        """Return poses [N, J, 3] turned about the origin; 90 degrees of azimuth make (z, y, -x) of (x, y, z)."""
        x, y, z = pose.unbind(-1)
        x, z = x * self.cos_a + z * self.sin_a, z * self.cos_a - x * self.sin_a
        y, z = y * self.cos_e - z * self.sin_e, y * self.sin_e + z * self.cos_e
        return torch.stack([x, y, z], dim=-1)

    def turn_back(self, pose: Tensor) -> Tensor:
        """Undo ``turn``."""
        x, y, z = pose.unbind(-1)
        y, z = y * self.cos_e + z * self.sin_e, z * self.cos_e - y * self.sin_e
        x, z = x * self.cos_a - z * self.sin_a, x * self.sin_a + z * self.cos_a
        return torch.stack([x, y, z], dim=-1)


@attrs.frozen
class Projection:
    """From 3D to 2D and back, about a root that stays in its place before the camera.

    Attributes:
        nearness: the reciprocal of the camera's distance from the root, in units of the pose; 0 is orthography. What is
            at the root's distance keeps its size.
    """

    nearness: float

    def project(self, pose: Tensor) -> Tensor:
        """Return the image [N, J, 2] of poses [N, J, 3]."""
        if not self.nearness:
            return pose[..., :2]
        return pose[..., :2] / (1 + self.nearness * pose[..., 2:]).clamp_min(_NEAREST)

    def unproject(self, image: Tensor, depth: Tensor) -> Tensor:
        """Return the poses [N, J, 3] that are seen as an image [N, J, 2] if their depths are [N, J]."""
        depth = depth[..., None]
        if not self.nearness:
            return torch.cat([image, depth], dim=-1)
        return torch.cat([image * (1 + self.nearness * depth).clamp_min(_NEAREST), depth], dim=-1)
