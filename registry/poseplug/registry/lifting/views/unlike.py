"""Key points that are unlike what a lifter was trained on: what is wrong with them, and what to do."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.input_range import InputRange, bone_lengths_2d, profile, scaled_to_image

# Coordinates that are all below this many pixels are shares of the image.
_SHARES = 2.0
# Correlation of the heights of joints with those in training, and the ratio of bone lengths to theirs.
_UPSIDE_DOWN, _UPRIGHT, _BONE_RATIO = -0.4, 0.5, 2.0
# And how far it must be off, over the longest bone.
_OF_LONGEST = 0.35
_BEYOND_IMAGE, _OUTSIDE = 0.02, 0.05
# Fewer people than these do not tell where joints are on average.
_FEW = 20


def outside_share(pixels: Tensor, found: Tensor, camera: Camera, seen: InputRange, skeleton: Skeleton) -> float:
    """Return the share of people whose size or place in the image the lifter was not shown in training."""
    return float(seen.outside(pixels, found, camera.size, skeleton).float().mean())


def too_far_out(share: float) -> bool:
    """Say whether so many people outside are too many."""
    return share > _OUTSIDE


def warnings(pixels: Tensor, found: Tensor, camera: Camera, seen: InputRange | None, skeleton: Skeleton) -> list[str]:
    """Return a sentence for each way in which people look unlike those of the training.

    Args:
        pixels: [N, J, 2].
        found: [N, J] bool.
        camera: that saw them.
        seen: what the lifter saw; None where the run has not noted it: only what needs no comparison is looked at.
        skeleton: the layout.
    """
    known = pixels[found]
    if not len(known):
        return []
    if float(known.abs().max()) <= _SHARES:
        return [
            "all coordinates are below 2: they look like shares of the image and not like pixels; multiply them by its "
            "width and height"
        ]
    said = []
    beyond = (known > camera.size[:, None].expand_as(pixels)[found] * 1.05).any(-1).float().mean()
    if float(beyond) > _BEYOND_IMAGE:
        said.append(
            f"{float(beyond):.0%} of the joints lie beyond the right or lower edge of the image; give its true size "
            "with --size WxH"
        )
    before = (known < -0.05 * camera.size[:, None].expand_as(pixels)[found]).any(-1).float().mean()
    if float(before) > _BEYOND_IMAGE:
        said.append(
            f"{float(before):.0%} of the joints lie beyond the left or upper edge of the image; count x and y in "
            "pixels from its upper left corner"
        )
    if seen is not None and len(pixels) >= _FEW:
        said += _order(pixels, found, camera, seen, skeleton)
    return said


def _order(pixels: Tensor, found: Tensor, camera: Camera, seen: InputRange, skeleton: Skeleton) -> list[str]:
    """Look at which joints are above which, and at how long bones are beside each other."""
    scaled = scaled_to_image(pixels, camera.size)
    often = found.float().mean(0) > 0.1
    if int(often.sum()) < 3:
        return []
    heights = torch.stack([profile(scaled, found)[:, 1], pixels.new_tensor(seen.profile)[:, 1]])[:, often]
    alike = float(torch.corrcoef(heights)[0, 1])
    if alike < _UPSIDE_DOWN:
        return [
            "people stand upside down: joints that were above others in training are below them; y must point down in "
            "the image, from its upper edge"
        ]
    advice = "compare the order of the joints with the names of the layout, and name the right one with --skeleton"
    if alike < _UPRIGHT:
        return [f"joints are not above each other as in training; unless people lie, {advice}"]
    lengths, bones = bone_lengths_2d(scaled, found, skeleton), pixels.new_tensor(seen.bones)
    ratios = lengths / bones
    expected = bones * ratios[torch.isfinite(ratios)].median()
    apart = (lengths / expected).clamp_min(1e-9).log().abs().exp()
    # Short bones, such as from hip to hip, differ between bodies, and between what detectors call a hip.
    far = (lengths - expected).abs() > _OF_LONGEST * expected.max()
    odd = ((apart > _BONE_RATIO) & far).nonzero().flatten().tolist()
    if odd:
        names = ", ".join(skeleton.bone_names[i] for i in odd)
        return [f"beside the other bones, {names} is far longer or shorter than in training; {advice}"]
    return []
