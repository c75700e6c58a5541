"""Key points as heat maps: a Gaussian for each, as wide as its person is large (Sec. 4.1; sizes of the released code).

Deviations from the released code: a peak is where the place is and not on whole cells (``truncated`` puts it there),
and is not moved by a cell where three standard deviations are no whole number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from poseplug_virtualpose.agr.canvases import zeros

# Standard deviation of a person's Gaussians, in the longer side of the key points.
_SIGMA = 3 * math.sqrt(2) / 96
# Cells; nobody counts as smaller or larger than this on a canvas so wide.
_SMALLEST, _LARGEST, _CANVAS = 48.0, 192.0, 240
# Cells; narrower Gaussians would fall between the cells of small canvases.
_NARROWEST = 1.0
# Standard deviations along x or y; beyond, a Gaussian is cut off.
_CUT = 3.0
# Cells; columns are written in blocks of as many, and rows of people whose windows differ by less are drawn together.
_BLOCK = 16


def canvas_scale(width: int) -> float:
    """Return how much smaller than the paper's a canvas of so many columns is; 1 for larger ones."""
    return min(1.0, width / _CANVAS)


def sigmas(places: Tensor, seen: Tensor, width: int) -> Tensor:
    """Return the standard deviation [N] of each person's Gaussians, cells.

    It is 3 sqrt(2) / 96 of the longer side of the key points, which counts as 48 to 192 cells, on canvases of less than
    240 columns as much less; and one cell at least.

    Args:
        places: [N, J, 2] cells.
        seen: [N, J] bool, which of them count.
        width: columns of the canvas.
    """
    low, high = extents(places, seen)
    scale = canvas_scale(width)
    side = (high - low).amax(-1).clamp(_SMALLEST * scale, _LARGEST * scale)
    return (_SIGMA * side).clamp_min(_NARROWEST)


def extents(places: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the largest coordinates [N, 2] of the places [N, J, 2] that are seen; of none, zeros."""
    low = torch.where(seen[..., None], places, torch.inf).amin(1)
    high = torch.where(seen[..., None], places, -torch.inf).amax(1)
    some = seen.any(1, keepdim=True)
    return torch.where(some, low, 0.0), torch.where(some, high, 0.0)


def truncated(places: Tensor) -> Tensor:
    """Return the middle of the cell of each place."""
    return places.floor() + 0.5


def draw_heatmaps(
    places: Tensor, sigma: Tensor, scene: Tensor, size: tuple[int, int, int], peak: Tensor | None = None
) -> Tensor:
    """Return heat maps [S, J, h, w]: Gaussians about all places, of those that overlap in a scene the highest.

    Differentiable in places and peaks. A Gaussian is the outer product of one along x and one along y, and only the
    cells about its place are written.

    Args:
        places: [N, J, 2] cells, on the canvas or off it; finite.
        sigma: [N] cells, as ``sigmas`` gives them.
        scene: [N] int64, rows of the S scenes.
        size: S, and height and width of the canvas.
        peak: [N, J] 0 to 1, how high each is; 0 draws nothing. None: all 1.
    """
    scenes, height, width = size
    joints = places.shape[1]
    block = math.gcd(width, _BLOCK)
    maps = zeros(scenes * joints * height * width // block, block, places)
    for rows, window in _alike(places, sigma, width):
        at, values = _windows(
            places[rows], sigma[rows], scene[rows], None if peak is None else peak[rows], window, (height, width), block
        )
        maps.scatter_reduce_(0, at[:, None].expand(-1, block), values, "amax")
    return maps.view(scenes, joints, height, width)


def _alike(places: Tensor, sigma: Tensor, width: int) -> Iterator[tuple[Tensor | slice, int]]:
    """Give the rows of people that are drawn together, and how many rows and columns of cells each Gaussian has.

    On the CPU small people get small windows. Elsewhere that would wait for the device, and where there are gradients
    they are asked of all at once: everybody gets the largest window.
    """
    if places.is_cuda or places.requires_grad:
        largest = max(_NARROWEST, _SIGMA * _LARGEST * canvas_scale(width))
        yield slice(None), math.ceil(2 * _CUT * largest + 1)
        return
    windows = ((2 * _CUT * sigma + 1) / _BLOCK).ceil().long() * _BLOCK
    for window in torch.unique(windows).tolist():
        yield (windows == window).nonzero()[:, 0], window


def _windows(
    places: Tensor,
    sigma: Tensor,
    scene: Tensor,
    peak: Tensor | None,
    window: int,
    canvas: tuple[int, int],
    block: int,
) -> tuple[Tensor, Tensor]:
    """Return which blocks of cells the Gaussians of people cover [B], and their values [B, block]."""
    (height, width), joints = canvas, places.shape[1]
    across, tall = width // block, min(window, height)
    wide = min((window + 2 * block - 2) // block, across)
    x, y = places.unbind(-1)
    # Windows are moved onto the canvas; what is left of a Gaussian there stays inside.
    with torch.no_grad():
        top = (y - tall / 2).floor().clamp(0, height - tall)
        left = ((x - _CUT * sigma[:, None]) / block).floor().clamp(0, across - wide)
    down, right = (torch.arange(n, device=x.device, dtype=x.dtype) + 0.5 for n in (tall, wide * block))
    along_y = _profile(top[..., None] + down - y[..., None], sigma)
    along_x = _profile(left[..., None] * block + right - x[..., None], sigma)
    if peak is not None:
        along_y = along_y * peak[..., None]
    values = along_y[..., None] * along_x[:, :, None]
    channel = scene[:, None] * joints + torch.arange(joints, device=scene.device)
    corner = (channel * height + top.long()) * across + left.long()
    rows, columns = (torch.arange(n, device=scene.device) for n in (tall, wide))
    at = corner[..., None, None] + rows[:, None] * across + columns
    return at.reshape(-1), values.reshape(-1, block)


def _profile(off: Tensor, sigma: Tensor) -> Tensor:
    share = off / sigma[:, None, None]
    return torch.where(share.abs() <= _CUT, torch.exp(-0.5 * share.square()), 0.0)
