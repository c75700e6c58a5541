"""Figures of capsules, drawn from poses on noisy backgrounds: images whose joints are known exactly."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.detection.capsules import draw_capsules, noisy_background, pixel_middles, segment_distance
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
    image = noisy_background(n, (side, side), generator)
    depth = batch.absolute[..., 2]
    order = depth[:, bones].mean(-1).argsort(dim=1, descending=True)
    radius = _RADIUS * side * (0.8 + 0.4 * torch.rand(n, 1, generator=generator)) * torch.ones(1, len(bones))
    hues = [colorsys.hsv_to_rgb(i / len(bones), 0.75, 1.0) for i in range(len(bones))]
    colours = (torch.tensor(hues) + 0.05 * torch.randn(n, len(bones), 3, generator=generator)).clamp(0.1, 1)
    rows = torch.arange(n)[:, None]
    ends = joints[rows[..., None], bones[order]]
    image = draw_capsules(image, ends, radius[rows, order], colours[rows, order])
    if marks:
        image = marked(image, joints, depth)
    grain = 0.03 * torch.randn(image.shape, generator=generator)
    return ((image + grain).clamp(0, 1) * 255).round().to(torch.uint8)


def marked(image: Tensor, joints: Tensor, depth: Tensor) -> Tensor:
    """Return images [n, 3, side, side] with a disc at each joint [n, J, 2], the nearest last."""
    count, rows = joints.shape[1], torch.arange(len(joints))
    pixels = pixel_middles(image)
    hues = torch.tensor([colorsys.hsv_to_rgb(j / count, 1.0 - 0.6 * (j % 2), 1.0) for j in range(count)])
    for joint in depth.argsort(dim=1, descending=True).unbind(1):
        centre = joints[rows, joint]
        cover = (_MARK * pixels.shape[0] - segment_distance(pixels, centre, centre) + 0.5).clamp(0, 1)[:, None]
        image = image + cover * (hues[joint][:, :, None, None] - image)
    return image
