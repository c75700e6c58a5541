"""Figures of capsules, drawn from poses on noisy backgrounds: images whose joints are known exactly."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.detection.labels import LabelledPeople
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings

# Of limbs and of marks, shares of the image's height at the distance where the person fills most of it.
_RADIUS, _MARK = 0.016, 0.035
_FILLED = (0.6, 0.85)
# Of the box around the joints, room on each side for what is drawn beyond them.
_ROOM = 0.08


def rendered_people(n: int, side: int, seed: int, split: str = "train", marks: bool = False) -> LabelledPeople:
    """Return n people of the embedded reference, each drawn in a square image of its own; equal seeds, equal pixels.

    With ``marks`` each joint has a disc of its own colour, as markers of motion capture have.
    """
    generator = torch.Generator().manual_seed(seed)
    source = Builtin(BuiltinSettings(split=split, cameras="random"), BuildContext())
    return rendered(source.sample(n, generator), side, generator, marks)


def rendered(batch: PoseBatch, side: int, generator: torch.Generator, marks: bool = False) -> LabelledPeople:
    """Return the people of a batch, each drawn in a square image of its own, with a box around them."""
    joints = placed(batch.joints_2d, side, generator)
    rows = (slice(start, start + 64) for start in range(0, len(batch), 64))
    images = torch.cat([draw(batch.select(some), joints[some], side, generator, marks) for some in rows])
    low, high = joints.amin(1), joints.amax(1)
    room = _ROOM * (high - low).amax(1, keepdim=True)
    box = torch.cat([low - room, high - low + 2 * room], dim=1)
    visible = torch.ones(joints.shape[:2], dtype=torch.bool)
    if marks:  # the middle of a disc may lie behind another disc
        depth = batch.absolute[..., 2]
        visible = ~((torch.cdist(joints, joints) < _MARK * side) & (depth[:, None] < depth[..., None])).any(-1)
    return LabelledPeople(batch.skeleton, list(images), torch.arange(len(batch)), joints, visible, box)


def placed(joints: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Return joints [n, J, 2] moved and scaled so that each person fills most of an image, somewhere in it."""
    low, high = joints.amin(1), joints.amax(1)
    share = torch.rand(len(joints), 1, generator=generator) * (_FILLED[1] - _FILLED[0]) + _FILLED[0]
    scale = share * side / (high - low).amax(1, keepdim=True)
    free = side * (1 - 2 * _ROOM) - (high - low) * scale
    corner = side * _ROOM + free.clamp_min(0) * torch.rand(len(joints), 2, generator=generator)
    return (joints - low[:, None]) * scale[:, None] + corner[:, None]


def draw(batch: PoseBatch, joints: Tensor, side: int, generator: torch.Generator, marks: bool = False) -> Tensor:
    """Return images [n, 3, side, side] uint8: a shaded capsule for each bone, the nearest last.

    Each bone has a colour of its own, about which that of a person varies: where it ends can be seen, and which of the
    two sides it is on.
    """
    n, bones = len(batch), torch.tensor(batch.skeleton.bones)
    image = background(n, side, generator)
    depth = batch.absolute[..., 2]
    order = depth[:, bones].mean(-1).argsort(dim=1, descending=True)
    radius = _RADIUS * side * (0.8 + 0.4 * torch.rand(n, 1, generator=generator)) * torch.ones(1, len(bones))
    hues = [colorsys.hsv_to_rgb(i / len(bones), 0.75, 1.0) for i in range(len(bones))]
    colours = (torch.tensor(hues) + 0.05 * torch.randn(n, len(bones), 3, generator=generator)).clamp(0.1, 1)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    pixels = torch.stack([x, y], dim=-1).float()
    rows = torch.arange(n)
    for rank in range(len(bones)):
        bone = order[:, rank]
        ends = joints[rows[:, None], bones[bone]]
        thick = radius[rows, bone][:, None, None]
        off = distance(pixels, ends[:, 0], ends[:, 1])
        cover = (thick - off + 0.5).clamp(0, 1)[:, None]
        shade = 0.45 + 0.55 * (1 - (off / thick).clamp(0, 1).square()).sqrt()[:, None]
        image = image + cover * (colours[rows, bone][:, :, None, None] * shade - image)
    if marks:
        image = marked(image, joints, depth, pixels)
    grain = 0.03 * torch.randn(image.shape, generator=generator)
    return ((image + grain).clamp(0, 1) * 255).round().to(torch.uint8)


def marked(image: Tensor, joints: Tensor, depth: Tensor, pixels: Tensor) -> Tensor:
    """Return images [n, 3, side, side] with a disc at each joint [n, J, 2], the nearest last."""
    count, rows = joints.shape[1], torch.arange(len(joints))
    hues = torch.tensor([colorsys.hsv_to_rgb(j / count, 1.0 - 0.6 * (j % 2), 1.0) for j in range(count)])
    for joint in depth.argsort(dim=1, descending=True).unbind(1):
        centre = joints[rows, joint]
        cover = (_MARK * pixels.shape[0] - distance(pixels, centre, centre) + 0.5).clamp(0, 1)[:, None]
        image = image + cover * (hues[joint][:, :, None, None] - image)
    return image


def distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return how far pixels [h, w, 2] are from segments [n, 2] to [n, 2], [n, h, w]."""
    along = (end - start)[:, None, None]
    to = pixels - start[:, None, None]
    share = ((to * along).sum(-1) / along.square().sum(-1).clamp_min(1e-6)).clamp(0, 1)
    return (to - share[..., None] * along).norm(dim=-1)


def background(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Return dim images [n, 3, side, side] of noise at several scales."""
    image = torch.zeros(n, 3, side, side)
    for cells, strength in ((2, 0.3), (8, 0.25), (32, 0.15)):
        noise = torch.rand(n, 3, cells, cells, generator=generator)
        image = image + strength * functional.interpolate(noise, (side, side), mode="bilinear", align_corners=False)
    return image
