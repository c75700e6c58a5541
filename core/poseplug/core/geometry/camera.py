"""Batched pinhole cameras with the papers' distortion model, and look-at placement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.tensors import TensorRecord, constant


@attrs.frozen(eq=False)
class Camera(TensorRecord):
    """N cameras, one for each pose of a batch.

    Attributes:
        focal: [N, 2] focal lengths in pixels.
        centre: [N, 2] principal points in pixels.
        size: [N, 2] image width and height in pixels.
        distortion: [N, 5] k1, k2, k3, p1, p2, or None for a pure pinhole.
        rotation: [N, 3, 3] world-to-camera rotation, or None where the world is unknown.
        position: [N, 3] camera centre in the world, metres; data has both or neither. With ``rotation`` alone a camera
            is known to be turned so, somewhere.
    """

    focal: Tensor
    centre: Tensor
    size: Tensor
    distortion: Tensor | None = None
    rotation: Tensor | None = None
    position: Tensor | None = None

    def __len__(self) -> int:
        return self.focal.shape[0]

    @classmethod
    def shared(
        cls,
        n: int,
        focal: Sequence[float],
        centre: Sequence[float],
        size: Sequence[float],
        distortion: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Return n copies of one camera, without extrinsics and without n-fold memory."""

        def rows(values: Sequence[float]) -> Tensor:
            return constant(tuple(values), torch.device(device)).expand(n, -1)

        return cls(rows(focal), rows(centre), rows(size), None if distortion is None else rows(distortion))

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Return all cameras one after the other; of those without a lens's distortion it is none at all.

        Rotation and position are kept only if all have them: nobody knows how a world lies to one that is unknown.
        """
        if any(camera.distortion is not None for camera in records):
            records = [
                attrs.evolve(camera, distortion=camera.focal.new_zeros(len(camera), 5))
                if camera.distortion is None
                else camera
                for camera in records
            ]
        return super().join(records)

    def project(self, points: Tensor) -> Tensor:
        """Return the pixels [N, K, 2] of points [N, K, 3] in the camera frame, metres.

        With distortion this is the projection of the PoseAug code base: the image-plane point is clamped to
        [-1, 1] (45 degrees) and then distorted with ``radial + p1 x + p2 y`` as factor and ``(p1, p2) r^2`` as
        offset, which is not the textbook Brown-Conrady model. Points must lie in front of the camera.
        """
        x, y, z = points.unbind(-1)
        inverse = z.reciprocal()
        x, y = x * inverse, y * inverse
        if self.distortion is not None:
            x, y = distort(x.clamp(-1, 1), y.clamp(-1, 1), self.distortion[:, None].unbind(-1))
        focal_x, focal_y = self.focal[:, None].unbind(-1)
        centre_x, centre_y = self.centre[:, None].unbind(-1)
        return torch.stack([torch.addcmul(centre_x, x, focal_x), torch.addcmul(centre_y, y, focal_y)], dim=-1)

    def unproject(self, pixels: Tensor, depth: Tensor) -> Tensor:
        """Return the camera-frame points [N, K, 3] seen at pixels [N, K, 2] with depth z [N, K], metres.

        The distortion is undone by fixed-point iteration; exact for points within 45 degrees of the axis.
        """
        target = (pixels - self.centre[:, None]) / self.focal[:, None]
        plane = target
        if self.distortion is not None:
            coefficients = self.distortion[:, None].unbind(-1)
            tangential = self.distortion[:, None, 3:]
            for _ in range(30):
                scale, r2 = _distortion_scale(plane[..., 0], plane[..., 1], coefficients)
                plane = (target - tangential * r2[..., None]) / scale[..., None]
        return torch.cat([plane * depth[..., None], depth[..., None]], dim=-1)

    def world_to_camera(self, points: Tensor) -> Tensor:
        """Return world points [N, K, 3] in the camera frame: R (p - position)."""
        rotation, position = self._extrinsics()
        return (points - position[:, None]) @ rotation.mT

    def camera_to_world(self, points: Tensor) -> Tensor:
        """Return camera-frame points [N, K, 3] in the world: R^T p + position."""
        rotation, position = self._extrinsics()
        return points @ rotation + position[:, None]

    def mirrored(self) -> Self:
        """Return the cameras of the mirror images: left becomes right in the image and in both frames.

        Of points whose x has changed its sign, in the camera frame or in the world, they show the mirror image of what
        these cameras show of the points themselves.
        """
        sign = constant((-1.0, 1.0, 1.0), self.focal.device)
        rotation, position, distortion = self.rotation, self.position, self.distortion
        return attrs.evolve(
            self,
            centre=self.mirror_pixels(self.centre[:, None])[:, 0],
            distortion=None if distortion is None else distortion * constant((1.0, 1.0, 1.0, -1.0, 1.0), sign.device),
            rotation=None if rotation is None else sign[:, None] * rotation * sign,
            position=None if position is None else position * sign,
        )

    def mirror_pixels(self, pixels: Tensor) -> Tensor:
        """Return where pixels [N, K, 2] are in the left-right mirrored image."""
        offset = self.size * constant((1.0, 0.0), pixels.device)
        return offset[:, None] + pixels * constant((-1.0, 1.0), pixels.device)

    def _extrinsics(self) -> tuple[Tensor, Tensor]:
        if self.rotation is None or self.position is None:
            raise ValueError("this camera has no extrinsics, so its world frame is unknown")
        return self.rotation, self.position


def distort(x: Tensor, y: Tensor, coefficients: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return distorted image-plane coordinates; see ``Camera.project`` for the model.

    Args:
        x, y: image-plane coordinates (x / z and y / z) of any one shape.
        coefficients: k1, k2, k3, p1, p2, each broadcast against them.
    """
    p1, p2 = coefficients[3:]
    scale, r2 = _distortion_scale(x, y, coefficients)
    return torch.addcmul(x * scale, p1, r2), torch.addcmul(y * scale, p2, r2)


def _distortion_scale(x: Tensor, y: Tensor, coefficients: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    k1, k2, k3, p1, p2 = coefficients
    r2 = torch.addcmul(x * x, y, y)
    scale = 1 + r2 * torch.addcmul(k1, r2, torch.addcmul(k2, r2, k3))
    return torch.addcmul(torch.addcmul(scale, p1, x), p2, y), r2


def look_at(azimuth: Tensor, elevation: Tensor, distance: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Place cameras on spheres around target points, upright (no roll), looking at them.

    The world has y up. Azimuth 0 puts the camera on the world's +z side; it grows towards +x.

    Args:
        azimuth, elevation: [N] radians; a positive elevation looks down from above.
        distance: [N] metres from the target.
        target: [N, 3] or [3] metres, world.

    Returns:
        rotation [N, 3, 3] world to camera (rows: right, down, forward) and position [N, 3].
    """
    sin_a, cos_a = azimuth.sin(), azimuth.cos()
    sin_e, cos_e = elevation.sin(), elevation.cos()
    outward = torch.stack([sin_a * cos_e, sin_e, cos_a * cos_e], dim=-1)
    right = torch.stack([cos_a, torch.zeros_like(cos_a), -sin_a], dim=-1)
    forward = -outward
    down = torch.linalg.cross(forward, right)
    return torch.stack([right, down, forward], dim=-2), target + distance[:, None] * outward
