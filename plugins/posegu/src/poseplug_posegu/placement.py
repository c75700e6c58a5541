"""Where generated bodies stand and how their camera sees them: always all of them, without rejecting any."""

from __future__ import annotations

from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera, distort
from poseplug_posegu.joint_angles import Frame
from poseplug_posegu.seed_poses import upright_frames

# Rounding must not push a joint over the edge again.
_MARGIN = 1e-3
_GRID = 25


@attrs.frozen
class Sights:
    """Cameras and places of S bodies, coordinates first.

    Attributes:
        upright: columns [3, S] of the rotations from the upright frame to the camera's.
        root: [3, S] where the root should be, metres, camera frame.
        low, high: [2, S] bounds of x / z and y / z within which every point lies in the image.
        focal, centre: [2, S] pixels.
        distortion: [5, S], or None.
    """

    upright: Frame
    root: Tensor
    low: Tensor
    high: Tensor
    focal: Tensor
    centre: Tensor
    distortion: Tensor | None

    @classmethod
    def of(cls, poses: PoseBatch) -> Self:
        """Return the sights of real poses; PoseplugError if a camera's principal point lies outside its image."""
        camera = poses.camera
        low, high = view_bounds(camera)
        x, y, z = upright_frames(camera).unbind(-1)
        return cls(
            upright=(x.T, y.T, z.T),
            root=poses.root.T.contiguous(),
            low=low.T.contiguous(),
            high=high.T.contiguous(),
            focal=camera.focal.T.contiguous(),
            centre=camera.centre.T.contiguous(),
            distortion=None if camera.distortion is None else camera.distortion.T.contiguous(),
        )

    def take(self, index: Tensor) -> Self:
        """Return the sights with the given numbers."""
        x, y, z = (column.index_select(1, index) for column in self.upright)
        return type(self)(
            upright=(x, y, z),
            root=self.root.index_select(1, index),
            low=self.low.index_select(1, index),
            high=self.high.index_select(1, index),
            focal=self.focal.index_select(1, index),
            centre=self.centre.index_select(1, index),
            distortion=None if self.distortion is None else self.distortion.index_select(1, index),
        )

    def place(self, joints: Tensor, min_depth: float) -> Tensor:
        """Return for each body the root position nearest to the wanted one at which all of it is in view.

        The body counts as its bounding box, all of it as near as its nearest joint, which makes the answer a closed
        form: first back until the box fits between the edges and the nearest joint is deep enough, then sideways.

        Args:
            joints: [3, J, ..., S] metres, the root at the origin.
            min_depth: least depth of any joint, metres.

        Returns:
            [3, ..., S] metres.
        """
        shape = (-1, *[1] * (joints.dim() - 3), joints.shape[-1])
        wanted, low, high = (field.view(shape) for field in (self.root, self.low, self.high))
        least, most = joints.amin(1), joints.amax(1)
        fitting = ((most[:2] - least[:2]) / (high - low)).amax(0)
        nearest = torch.maximum(wanted[2] + least[2], fitting).clamp_min_(min_depth)
        sideways = torch.maximum(wanted[:2], low * nearest - least[:2])
        sideways = torch.minimum(sideways, high * nearest - most[:2])
        return torch.cat([sideways, (nearest - least[2])[None]])

    def project(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pixels x and y [J, ..., S] of joints [3, J, ..., S]; what ``Camera.project`` computes."""
        inverse = joints[2].reciprocal()
        x, y = joints[0] * inverse, joints[1] * inverse
        if self.distortion is not None:
            x, y = distort(x.clamp_(-1, 1), y.clamp_(-1, 1), self.distortion.unbind(0))
        return torch.addcmul(self.centre[0], x, self.focal[0]), torch.addcmul(self.centre[1], y, self.focal[1])


def view_bounds(camera: Camera) -> tuple[Tensor, Tensor]:
    """Return the least and the greatest x / z and y / z [N, 2] that each camera shows.

    With distortion they bound the largest box of the frame's shape, at most 45 degrees to each side, whose distorted
    image lies in the frame.

    Raises:
        PoseplugError: a principal point lies outside the image.
    """
    low, high = -camera.centre / camera.focal, (camera.size - camera.centre) / camera.focal
    if bool((low >= 0).any() | (high <= 0).any()):
        raise PoseplugError(
            "fk_generator: a camera of the reference has its principal point outside the image; check its intrinsics."
        )
    scale = torch.ones_like(low[:, :1])
    if camera.distortion is not None:
        low, high = low.clamp_min(-1), high.clamp_max(1)
        scale = _largest_scale(camera, camera.distortion, low, high)
    return low * scale * (1 - _MARGIN), high * scale * (1 - _MARGIN)


def _largest_scale(camera: Camera, distortion: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return by bisection how much of each box [N, 2] stays in the frame when distorted: [N, 1], 1 for all of it."""
    steps = torch.linspace(0, 1, _GRID, device=low.device)
    points = low[:, None] + (high - low)[:, None] * torch.cartesian_prod(steps, steps)
    coefficients = distortion[:, None].unbind(-1)
    fits, fails = torch.zeros_like(low[:, :1]), torch.ones_like(low[:, :1])
    tried = fails
    for _ in range(20):
        x, y = (points * tried[:, None]).unbind(-1)
        pixels = torch.stack(distort(x, y, coefficients), dim=-1) * camera.focal[:, None] + camera.centre[:, None]
        inside = ((pixels >= 0) & (pixels <= camera.size[:, None])).flatten(1).all(1, keepdim=True)
        fits, fails = torch.where(inside, tried, fits), torch.where(inside, fails, tried)
        tried = (fits + fails) / 2
    return fits
