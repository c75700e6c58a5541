"""Images of scenes, drawn instead of taken: people as figures of capsules, to try a backbone on without photographs.

Clothes and background are drawn at random. Of a person from behind nobody could tell left from right, so left limbs are
darker than right ones; networks that are trained on such images must not mirror them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.detection.capsules import draw_capsules, noisy_background
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import constant
from poseplug_virtualpose.agr.people import placed_and_seen
from poseplug_virtualpose.agr.rendering import extents

# Of a person's longer side, half the width of a limb; it varies by a fifth.
_RADIUS, _VARIES = 0.035, 0.2
# What bones wear, by what the names of the joints at their ends end with; all else is skin.
_SHIRT = ("neck", "thorax", "spine", "chest", "shoulder", "clavicle", "collar", "elbow")
_TROUSERS = ("hip", "knee", "ankle", "foot", "toe", "heel")
_LEFT = 0.55
_GRAIN = 0.03


def draw_scenes(batch: PoseBatch, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return images [S, 3, height, width] uint8 of a batch's scenes, letterboxed; equal generators, equal images.

    Nearer people stand before others: by the depth of their roots, without 3D by how tall they are in the image.

    Args:
        batch: N people with 2D joints; those that are no numbers, and bones to them, are not drawn.
        height, width: of the canvas, pixels.
        generator: on the device of the batch.
    """
    scenes, device = batch.places, batch.device
    letterbox = Letterbox.fitting(scenes.camera.size, height, width)
    image = noisy_background(len(scenes), (height, width), generator)
    if len(batch):
        joints, seen = placed_and_seen(letterbox.place(batch.joints_2d, batch.scene_rows))
        scene = batch.scene_rows.tolist()
        low, high = extents(joints, seen)
        side = (high - low).amax(-1)
        nearness = side if batch.joints_3d is None else -batch.root[:, 2]
        ends, radius, colour = _capsules(batch, joints, seen, side, generator)
        # One by one, since most people fill a small part of the canvas.
        for row in nearness.argsort(stable=True).tolist():
            _draw_person(image[scene[row]], ends[row], radius[row], colour[row])
    grain = _GRAIN * torch.randn(image.shape, generator=generator, device=device)
    image = (image + grain).clamp(0, 1) * _within(letterbox, scenes.camera.size, height, width)
    return (image * 255).round().to(torch.uint8)


def _capsules(
    batch: PoseBatch, joints: Tensor, seen: Tensor, side: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ends [N, K, 2, 2], radius [N, K] and colour [N, K, 3] of everybody's bones, the farthest first."""
    skeleton, device, people = batch.skeleton, batch.device, len(batch)
    bones = constant(skeleton.bones, device, torch.int64)
    # On the canvas; of points, whole numbers are the middles of pixels.
    ends = joints[:, bones] - 0.5
    vary = 1 + _VARIES * (2 * torch.rand(people, 1, generator=generator, device=device) - 1)
    there = seen[:, bones].all(-1)
    radius = torch.where(there, (_RADIUS * side[:, None] * vary).clamp_min(0.7), 0.0)
    garments, shades = constant(_worn(skeleton), device).unbind(-1)
    worn = 0.2 + 0.8 * torch.rand(people, 3, 3, generator=generator, device=device)
    colour = worn[:, garments.long()] * shades[:, None]
    if batch.joints_3d is not None:
        order = batch.joints_3d[:, bones, 2].mean(-1).argsort(dim=1, descending=True)
        rows = torch.arange(people, device=device)[:, None]
        ends, radius, colour = ends[rows, order], radius[rows, order], colour[rows, order]
    return ends, radius, colour


def _draw_person(image: Tensor, ends: Tensor, radius: Tensor, colour: Tensor) -> None:
    """Draw into an image [3, h, w] the capsules of one person that have a radius."""
    drawn = radius > 0
    ends, radius, colour = ends[drawn], radius[drawn], colour[drawn]
    if not len(ends):
        return
    room = radius.max() + 1
    sides = torch.tensor(image.shape[2:0:-1], device=image.device)
    first = torch.minimum((ends.amin((0, 1)) - room).floor().long().clamp_min(0), sides)
    last = torch.minimum((ends.amax((0, 1)) + room).ceil().long().clamp_min(0) + 1, sides)
    (left, top), (right, bottom) = first.tolist(), last.tolist()
    part = image[:, top:bottom, left:right]
    part.copy_(draw_capsules(part[None], (ends - first)[None], radius[None], colour[None])[0])


def _worn(skeleton: Skeleton) -> tuple[tuple[float, float], ...]:
    """Return for each bone what it wears (0 skin, 1 shirt, 2 trousers) and how light it is."""
    names = [joint.lower().rstrip("0123456789") for _, child in skeleton.bones for joint in (skeleton.joints[child],)]
    garments = [1.0 if name.endswith(_SHIRT) else 2.0 if name.endswith(_TROUSERS) else 0.0 for name in names]
    shades = [_LEFT if bone == "left" else 1.0 for bone in skeleton.bone_sides]
    return tuple(zip(garments, shades, strict=True))


def _within(letterbox: Letterbox, size: Tensor, height: int, width: int) -> Tensor:
    """Return 1 in pixels whose middle is in the picture, 0 beside it, [S, 1, height, width]."""
    x, y = (torch.arange(side, device=size.device) + 0.5 for side in (width, height))
    first, last = letterbox.offset, letterbox.offset + size * letterbox.ratio[:, None]
    across = (x >= first[:, 0, None]) & (x <= last[:, 0, None])
    down = (y >= first[:, 1, None]) & (y <= last[:, 1, None])
    return (down[:, :, None] & across[:, None])[:, None].float()
