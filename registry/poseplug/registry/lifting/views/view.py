"""Looking at each person with a camera that is turned towards them, as training cameras are."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.input_range import InputRange
from poseplug.registry.lifting.views.cameras import USUAL_FOCAL


def centred(
    pixels: Tensor, found: Tensor, camera: Camera, seen: InputRange, skeleton: Skeleton
) -> tuple[Tensor, Camera, Tensor]:
    """Turn a camera towards each person, about its own centre, and zoom so that they are as large as in training.

    The camera turns right or left, then up or down, and does not roll. It looks at the mean of the directions of the
    joints found, so that where a person was in the image makes no difference.

    Args:
        pixels: [N, J, 2].
        found: [N, J] bool.
        camera: without distortion.
        seen: what the lifter saw in training: which size, in images of which size.
        skeleton: the layout.

    Returns:
        where the turned cameras see the joints [N, J, 2]; these cameras; and their rotations [N, 3, 3] out of the frame
        of the given ones: their rows are right, down and forward.
    """
    plane = (pixels - camera.centre[:, None]) / camera.focal[:, None]
    rays = torch.nn.functional.normalize(torch.cat([plane, torch.ones_like(plane[..., :1])], -1), dim=-1)
    forward = (rays * found[..., None]).sum(1)
    forward = torch.where(found.any(1)[:, None], forward, forward.new_tensor([0.0, 0.0, 1.0]))
    rotation = turned_towards(torch.nn.functional.normalize(forward, dim=-1))
    seen_rays = rays @ rotation.mT
    plane = seen_rays[..., :2] / seen_rays[..., 2:].clamp_min(1e-3)
    longest = max(seen.image)
    size = seen.sizes(plane, found, skeleton)
    # Of a person no two joined joints of whom are known, how large they are is not known either.
    focal = torch.where(size > 0, longest * seen.size[1] / size, longest * USUAL_FOCAL)
    image = pixels.new_tensor(seen.image).expand(len(pixels), 2)
    turned = Camera(focal[:, None].expand(-1, 2), image / 2, image)
    return plane * focal[:, None, None] + image[:, None] / 2, turned, rotation


def turned_towards(forward: Tensor) -> Tensor:
    """Return rotations [N, 3, 3] whose rows are right, down and the unit direction [N, 3]; right is level."""
    x, _, z = forward.unbind(-1)
    right = torch.nn.functional.normalize(torch.stack([z, torch.zeros_like(x), -x], -1), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-2)


def turned_back(joints: Tensor, rotation: Tensor) -> Tensor:
    """Return joints [N, J, 3] in the frame that cameras were turned out of."""
    return joints @ rotation
