"""What keeps the augmentor from changing poses too much, or too little: two forms, as released and as printed."""

from __future__ import annotations

import torch
from torch import Tensor


def angle_range(change: Tensor, band: tuple[float, float]) -> Tensor:
    """Return the released code's loss on bone angles: zero where the mean change of a pose lies within a band.

    Outside it grows with the square of the distance from the band's middle. It has two sides: a pose that hardly
    changes is as wrong as one that changes too much.

    Args:
        change: [N, M], one minus the cosine of the angle by which each bone turned.
        band: allowed range of the mean over the bones.
    """
    low, high = band
    distance = change.mean(-1) - (low + high) / 2
    return torch.where(distance.abs() > (high - low) / 2, distance.square(), 0.0).mean()


def length_range(ratios: Tensor, free: float) -> Tensor:
    """Return the released code's loss on bone lengths: the square of each change [N, G] that is beyond ``free``."""
    return torch.where(ratios.abs() > free, ratios.square(), 0.0).mean()


def printed(gamma: Tensor, threshold: float) -> Tensor:
    """Return eq. 10: |gamma|^2 of a pose whose mean |gamma| is at least the threshold, averaged over poses.

    The paper takes the mean of gamma itself. That of a vector residual is near zero however large the residual is, so
    absolute values are taken.

    Args:
        gamma: [N, ...] what an operator adds.
        threshold: below it a pose costs nothing.
    """
    flat = gamma.flatten(1)
    return torch.where(flat.abs().mean(-1) < threshold, 0.0, flat.square().sum(-1)).mean()
