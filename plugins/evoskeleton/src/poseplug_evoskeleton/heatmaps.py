"""Joints as heat maps, and heat maps as joints. Maps are [N, J, h, w]; points [N, J, 2] are x, y in their cells."""

from __future__ import annotations

import torch
from torch import Tensor

# Beyond so many standard deviations a Gaussian is cut off.
_CUT = 3.0


def gaussian_maps(points: Tensor, size: tuple[int, int], sigma: float, *, rounded: bool = False) -> Tensor:
    """Return maps with a Gaussian of peak 1 about each point, zero beyond three standard deviations along x or y.

    Args:
        points: [N, J, 2], in cells.
        size: height and width of the maps.
        sigma: standard deviation in cells.
        rounded: put the peak on the nearest cell.
    """
    centres = points.round() if rounded else points
    cells = [torch.arange(side, device=points.device, dtype=points.dtype) for side in (size[1], size[0])]
    off = [cell - centres[..., axis, None] for axis, cell in enumerate(cells)]
    x, y = (torch.where(d.abs() <= _CUT * sigma, torch.exp(-0.5 * (d / sigma).square()), 0.0) for d in off)
    return y[..., :, None] * x[..., None, :]


def soft_argmax(maps: Tensor, temperature: float) -> Tensor:
    """Return the mean cell under the softmax of each map divided by a temperature."""
    share = (maps.flatten(2) / temperature).softmax(-1).view_as(maps)
    rows, columns = (torch.arange(side, device=maps.device, dtype=maps.dtype) for side in maps.shape[2:])
    return torch.stack([share.sum(2) @ columns, share.sum(3) @ rows], dim=-1)


def argmax(maps: Tensor) -> Tensor:
    """Return the cell with the highest value of each map."""
    best = maps.flatten(2).argmax(-1)
    return torch.stack([best % maps.shape[3], best // maps.shape[3]], dim=-1).to(maps.dtype)
