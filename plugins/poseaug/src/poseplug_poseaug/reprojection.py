"""Seeing augmented poses: projection that survives any pose, new cameras, and which poses are fit to be kept."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.tensors import constant
from poseplug_poseaug.operators import rotated

# A joint that lies in the plane of the camera is projected as if it lay a millimetre before it.
_NEAREST = 1e-3


def clamping(camera: Camera) -> Camera:
    """Return the camera with a distortion, of zeros where it had none: such cameras clamp points beyond 45 degrees."""
    if camera.distortion is not None:
        return camera
    none = constant((0.0,) * 5, camera.focal.device, camera.focal.dtype)
    return attrs.evolve(camera, distortion=none.expand(len(camera), -1))


def seen(batch: PoseBatch, joints: Tensor, camera: Camera) -> PoseBatch:
    """Return the batch's people in other poses [N, J, 3] as a clamping camera sees them; finite for all poses.

    Under other cameras than their own everybody is alone; images of those who stay together are gone.
    """
    plane, depth = joints[..., :2], joints[..., 2:]
    safe = torch.where(depth.abs() < _NEAREST, _NEAREST, depth)
    pixels = camera.project(torch.cat([plane, safe], dim=-1))
    flags = torch.full((len(joints),), int(Origin.AUGMENTED), dtype=torch.uint8, device=joints.device)
    people = batch if camera is batch.camera else batch.alone()
    scenes = None if people.scenes is None else attrs.evolve(people.scenes, image=None)
    return attrs.evolve(people, joints_3d=joints, joints_2d=pixels, camera=camera, origin=flags, scenes=scenes)


def new_lenses(camera: Camera, focal: tuple[float, float], generator: torch.Generator) -> Camera:
    """Return pinhole cameras that make images of the same sizes, with focal lengths drawn anew.

    Args:
        camera: whose images to imitate.
        focal: range of the focal length, in halves of the longer image side.
        generator: for the draw.
    """
    low, high = focal
    share = torch.rand(len(camera), 1, generator=generator, device=camera.focal.device)
    length = (low + (high - low) * share) * camera.size.amax(-1, keepdim=True) / 2
    lens = attrs.evolve(camera, focal=length.expand(-1, 2), centre=camera.size / 2, distortion=None)
    return clamping(lens)


def moved_about(camera: Camera, rotation: Tensor, translation: Tensor, root: Tensor) -> Camera:
    """Return cameras that see bodies left where they are as these cameras see them moved by R (p - root) + t.

    Bodies that stand upright in the world keep standing there; without extrinsics there is nothing to do.

    Args:
        camera: N cameras.
        rotation: [N, 3, 3] R.
        translation: [N, 3] t, metres.
        root: [N, 3] metres, in the camera frame.
    """
    if camera.rotation is None or camera.position is None:
        return camera
    turned = (rotation[..., None] * camera.rotation[:, None]).sum(2)
    # A world point is Q^T (R^T (p' - t) + root) + c, with Q, c the old extrinsics: that gives the new centre.
    shift = rotated(camera.rotation.mT, root[:, None]) - rotated(turned.mT, translation[:, None])
    return attrs.evolve(camera, rotation=turned, position=camera.position + shift[:, 0])


def accepted(batch: PoseBatch, rule: str) -> Tensor:
    """Return which poses [N] bool are fit to be trained on.

    Args:
        batch: N poses.
        rule: "one_sided": no screen coordinate is above 1, as the released code checks; "two_sided": the whole body is
            before the camera and within the image.
    """
    screen = screen_coordinates(batch.joints_2d.detach(), batch.camera.size)
    if rule == "one_sided":
        return screen.amax((1, 2)) <= 1
    edge = batch.camera.size / batch.camera.size.amax(-1, keepdim=True)
    inside = (screen.abs() <= edge[:, None]).flatten(1).all(-1)
    return inside & (batch.absolute[..., 2].detach().amin(-1) > 0)


def chosen(mask: Tensor, yes: PoseBatch, no: PoseBatch) -> PoseBatch:
    """Return the poses of one batch where the mask [N] says so, and of the other batch elsewhere."""

    def pick(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return None if a is None or b is None else torch.where(mask.view(-1, *[1] * (a.ndim - 1)), a, b)

    names = [field.name for field in attrs.fields(Camera)]
    camera = Camera(**{name: pick(getattr(yes.camera, name), getattr(no.camera, name)) for name in names})  # type: ignore[arg-type]
    return attrs.evolve(
        yes,
        camera=camera,
        joints_2d=torch.where(mask[:, None, None], yes.joints_2d, no.joints_2d),
        joints_3d=pick(yes.joints_3d, no.joints_3d),
        origin=pick(yes.origin, no.origin),
    )
