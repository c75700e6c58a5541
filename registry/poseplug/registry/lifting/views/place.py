"""Where people stand, of whose poses only the shape is known: where that shape looks most like the key points."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera

_NEAREST = 0.1


def estimated_roots(joints_3d: Tensor, pixels: Tensor, found: Tensor, camera: Camera) -> Tensor:
    """Return roots [N, 3] in the camera frame, metres, that bring poses nearest to what is seen of them.

    A joint X at root t is seen where X + t is on the ray of its pixel (u, v): X_x + t_x = u (X_z + t_z), and so for y.
    These are linear in t, and solved by least squares over the joints found. The distance is as good as the size of the
    lifted body and the focal length are. Of a pose that looks like the key points nowhere before the camera, it is that
    at which it is as large as they are; NaN where there is no such distance.

    Args:
        joints_3d: [N, J, 3] root-relative, metres.
        pixels: [N, J, 2].
        found: [N, J] bool.
        camera: without distortion.
    """
    plane = ((pixels - camera.centre[:, None]) / camera.focal[:, None]).double()
    pose, weight = joints_3d.double(), found[..., None].double()
    # t_x = u t_z + (u X_z - X_x): about the means over joints, one unknown is left.
    offset = plane * pose[..., 2:] - pose[..., :2]
    count = weight.sum(1).clamp_min(1)
    mean_plane, mean_offset = (plane * weight).sum(1) / count, (offset * weight).sum(1) / count
    about_plane = (plane - mean_plane[:, None]) * weight
    depth = -(about_plane * (offset - mean_offset[:, None])).sum((1, 2)) / about_plane.square().sum((1, 2))
    about_pose = (pose[..., :2] - (pose[..., :2] * weight).sum(1, keepdim=True) / count[:, None]) * weight
    as_large = (about_pose.square().sum((1, 2)) / about_plane.square().sum((1, 2))).sqrt()
    depth = torch.where(depth > _NEAREST, depth, as_large)
    roots = torch.cat([mean_plane * depth[:, None] + mean_offset, depth[:, None]], -1)
    return roots.masked_fill(~torch.isfinite(depth)[:, None], torch.nan).to(joints_3d.dtype)
