"""Crops seen anew: mirrored, nearer or farther, turned; nothing but the map of a crop changes."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from poseplug.core.detection.crops import Size
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class CropChanges:
    """How crops are changed at random; by default as EvoSkeleton's (CVPR 2020) release does it."""

    flip: float = setting(
        0.5, "share of crops that are mirrored, left joints taken for right ones", minimum=0, maximum=1
    )
    scale: float = setting(0.25, "deviation of the size, and the most that it changes by", minimum=0, maximum=0.9)
    rotation: float = setting(
        math.radians(30), "deviation of turns in the image, and half of the largest", unit="rad", minimum=0, maximum=1.6
    )
    rotated: float = setting(0.3, "share of crops that are turned", minimum=0, maximum=1)

    def draw(self, n: int, size: Size, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return maps [n, 2, 3] float64 from new crops to old ones of H x W, and which of them are mirrored [n]."""
        flips = torch.rand(n, generator=generator) < self.flip
        scale = 1 + (self.scale * torch.randn(n, generator=generator)).clamp(-self.scale, self.scale)
        turned = torch.rand(n, generator=generator) < self.rotated
        limit = 2 * self.rotation
        angle = (self.rotation * torch.randn(n, generator=generator)).clamp(-limit, limit) * turned
        cosine, sine = ((scale * f(angle)).double() for f in (torch.cos, torch.sin))
        mirror = torch.where(flips, -1.0, 1.0).double()
        turn = torch.stack([torch.stack([cosine * mirror, -sine], -1), torch.stack([sine * mirror, cosine], -1)], -2)
        centre = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2], dtype=torch.float64)
        return torch.cat([turn, (centre - turn @ centre)[..., None]], dim=2), flips
