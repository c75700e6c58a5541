"""What a lifter was shown in training, in a few numbers: whether other people look like that can then be asked."""

from __future__ import annotations

from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton

# Lowest and highest are quantiles, so that one strange pose does not widen the range, and have a margin.
_QUANTILES = (0.01, 0.5, 0.99)
_MARGIN = 0.1
# Bones are seen in full length by few cameras: of the lengths in the image, a high quantile is taken for the full one.
_FULL_LENGTH, _SIZE = 0.9, 0.75

Range = tuple[float, float, float]


@attrs.frozen
class InputRange:
    """Figures of training poses in the image. Lengths are over the longer image side; ranges are (low, median, high).

    Attributes:
        poses: how many were looked at.
        image: width and height in pixels, medians.
        bones: [M] how long each bone is when it is seen in full length.
        size: how large people are: the upper quartile over a person's bones of their length over ``bones``. It hardly
            depends on the pose, nor on joints that are missing.
        height, width: of the box around the joints.
        middle_x, middle_y: where the middle of that box is, from the middle of the image.
        profile: [J, 2] where joints are on average, from the mean joint over the height of the box; tells which of them
            are above others.
    """

    poses: int
    image: tuple[float, float]
    bones: tuple[float, ...]
    size: Range
    height: Range
    width: Range
    middle_x: Range
    middle_y: Range
    profile: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, batch: PoseBatch) -> Self:
        """Take the figures of the people of a batch."""
        pixels, image = batch.joints_2d.detach().double(), batch.camera.size.double()
        found = torch.ones_like(pixels[..., 0], dtype=torch.bool)
        scaled = scaled_to_image(pixels, image)
        full = _bones(scaled, batch.skeleton).quantile(_FULL_LENGTH, 0).clamp_min(1e-6)
        box = Boxes.around(scaled, found)
        size = body_size(scaled, found, batch.skeleton, full)
        return cls(
            poses=len(batch),
            image=(float(image[:, 0].median()), float(image[:, 1].median())),
            bones=tuple(full.tolist()),
            size=_range(size),
            height=_range(box.extent[:, 1]),
            width=_range(box.extent[:, 0]),
            middle_x=_range(box.middle[:, 0]),
            middle_y=_range(box.middle[:, 1]),
            profile=tuple((float(x), float(y)) for x, y in profile(scaled, found)),
        )

    def sizes(self, joints: Tensor, found: Tensor, skeleton: Skeleton) -> Tensor:
        """Return how large people are [N], as ``size`` says it; NaN where no bone was found.

        Args:
            joints: [N, J, 2] over the longer image side, in any place.
            found: [N, J] bool.
            skeleton: the layout of the J joints.
        """
        return body_size(joints, found, skeleton, joints.new_tensor(self.bones))

    def outside(self, pixels: Tensor, found: Tensor, image: Tensor, skeleton: Skeleton) -> Tensor:
        """Say of each person [N] whether size or place in the image are outside of what training had.

        Args:
            pixels: [N, J, 2].
            found: [N, J] bool; people of whom no bone was found are inside.
            image: [N, 2] width and height in pixels.
            skeleton: the layout of the J joints.
        """
        scaled = scaled_to_image(pixels, image)
        middle = Boxes.around(scaled, found).middle
        size = self.sizes(scaled, found, skeleton)
        low, _, high = self.size
        out = (size < low / (1 + _MARGIN)) | (size > high * (1 + _MARGIN))
        for values, (low, _, high) in ((middle[:, 0], self.middle_x), (middle[:, 1], self.middle_y)):
            margin = _MARGIN * (high - low) + 0.01
            out = out | (values < low - margin) | (values > high + margin)
        return out & found.any(1)


@attrs.frozen(eq=False)
class Boxes:
    """Boxes around people's joints: where their middles are and how wide and high they are, [N, 2] each."""

    middle: Tensor
    extent: Tensor

    @classmethod
    def around(cls, joints: Tensor, found: Tensor) -> Self:
        """Return boxes around the joints [N, J, 2] that were found [N, J]; without any, not finite."""
        low = joints.masked_fill(~found[..., None], torch.inf).amin(1)
        high = joints.masked_fill(~found[..., None], -torch.inf).amax(1)
        return cls((low + high) / 2, high - low)


def scaled_to_image(pixels: Tensor, image: Tensor) -> Tensor:
    """Return pixels [N, J, 2] from the middle of images of size [N, 2], over their longer side."""
    return (pixels - image[:, None] / 2) / image.amax(-1)[:, None, None]


def body_size(joints: Tensor, found: Tensor, skeleton: Skeleton, full: Tensor) -> Tensor:
    """Return the upper quartile [N] over found bones of length in the image over full length; NaN without any."""
    known = torch.stack([found[:, a] & found[:, b] for a, b in skeleton.bones], 1)
    ratios = (_bones(joints, skeleton) / full).masked_fill(~known, torch.inf).sort(1).values
    # The quantile of the first so many of a sorted row; torch.nanquantile takes twenty times as long.
    count = known.sum(1)
    place = (count - 1).clamp_min(0) * _SIZE
    below = place.floor().long()
    above = torch.minimum(below + 1, (count - 1).clamp_min(0))
    lower, upper = ratios.gather(1, below[:, None])[:, 0], ratios.gather(1, above[:, None])[:, 0]
    size = lower + (upper - lower) * (place - below).to(lower.dtype)
    return size.masked_fill(count == 0, torch.nan)


def profile(joints: Tensor, found: Tensor) -> Tensor:
    """Return where joints [N, J, 2] are on average [J, 2], from each person's mean joint and over the box's height."""
    weight = found[..., None].to(joints.dtype)
    centre = (joints * weight).sum(1) / weight.sum(1).clamp_min(1)
    height = Boxes.around(joints, found).extent[:, 1].nan_to_num(0, 0, 0).clamp_min(1e-9)
    relative = (joints - centre[:, None]) / height[:, None, None]
    return (relative * weight).sum(0) / weight.sum(0).clamp_min(1)


def bone_lengths_2d(joints: Tensor, found: Tensor, skeleton: Skeleton) -> Tensor:
    """Return how long each bone [M] of joints [N, J, 2] is when it is seen in full; NaN where never found."""
    known = torch.stack([found[:, a] & found[:, b] for a, b in skeleton.bones], 1)
    lengths = _bones(joints, skeleton).masked_fill(~known, torch.nan)
    full: Tensor = lengths.nanquantile(_FULL_LENGTH, 0)
    return full


def _bones(joints: Tensor, skeleton: Skeleton) -> Tensor:
    starts, ends = zip(*skeleton.bones, strict=True)
    lengths: Tensor = torch.linalg.vector_norm(joints[:, list(ends)] - joints[:, list(starts)], dim=-1)
    return lengths


def _range(values: Tensor) -> Range:
    low, middle, high = values.quantile(values.new_tensor(_QUANTILES)).tolist()
    return low, middle, high
