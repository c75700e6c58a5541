"""Figures of capsules: pictures of people, drawn instead of taken, whose joints are known exactly.

Of points, whole numbers are the middles of pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Light at the edge of a capsule, and how much more there is in its middle.
_DIM, _LIT = 0.45, 0.55
# Cells of noise along a side of a background, and how strong it is.
_NOISE = ((2, 0.3), (8, 0.25), (32, 0.15))


def draw_capsules(image: Tensor, ends: Tensor, radius: Tensor, colour: Tensor) -> Tensor:
    """Return images [n, 3, h, w] with K shaded capsules in each, the last on top.

    Args:
        image: [n, 3, h, w] RGB from 0 to 1.
        ends: [n, K, 2, 2] of each the two ends, in pixels.
        radius: [n, K] pixels.
        colour: [n, K, 3] RGB from 0 to 1.
    """
    pixels = pixel_middles(image)
    for (start, end), thick, tint in zip(
        (of.unbind(1) for of in ends.unbind(1)), radius.unbind(1), colour.unbind(1), strict=True
    ):
        thick = thick[:, None, None]
        off = segment_distance(pixels, start, end)
        cover = (thick - off + 0.5).clamp(0, 1)[:, None]
        shade = _DIM + _LIT * (1 - (off / thick).clamp(0, 1).square()).sqrt()[:, None]
        image = image + cover * (tint[:, :, None, None] * shade - image)
    return image


def pixel_middles(image: Tensor) -> Tensor:
    """Return x and y of all pixels of images [n, 3, h, w], [h, w, 2]."""
    y, x = torch.meshgrid(*(torch.arange(side, device=image.device) for side in image.shape[2:]), indexing="ij")
    return torch.stack([x, y], dim=-1).float()


def segment_distance(pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return how far pixels [h, w, 2] are from segments [n, 2] to [n, 2], [n, h, w]."""
    # Axis by axis: sums over a last dimension of two are slow.
    along_x, along_y = (end - start)[..., None, None].unbind(1)
    to_x, to_y = ((pixels[..., axis] - start[:, axis, None, None]) for axis in (0, 1))
    length = (along_x * along_x + along_y * along_y).clamp_min(1e-6)
    share = ((to_x * along_x + to_y * along_y) / length).clamp_(0, 1)
    off_x, off_y = to_x - share * along_x, to_y - share * along_y
    return (off_x * off_x + off_y * off_y).sqrt()


def noisy_background(n: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return dim images [n, 3, h, w] of noise at several scales, RGB from 0 to 1, on the generator's device."""
    image = torch.zeros(n, 3, *size, device=generator.device)
    for cells, strength in _NOISE:
        noise = torch.rand(n, 3, cells, cells, generator=generator, device=generator.device)
        image = image + strength * functional.interpolate(noise, size, mode="bilinear", align_corners=False)
    return image
