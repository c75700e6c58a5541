"""The highest voxels of volumes (Sec. 4.2): whoever is highest among 5 x 5 x 5 nodes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from poseplug_virtualpose.voxels.space import Grid

_WINDOW = 5


def peaks(scores: Tensor, grid: Grid, most: int, *, refined: bool = False) -> tuple[Tensor, Tensor]:
    """Return the places [S, K, 3] and heights [S, K] of each volume's highest peaks, the highest first.

    Where there are fewer, or where they are below zero, the height is 0 and the place any.

    Args:
        scores: [S, X, Y, Z].
        grid: the nodes; places are about the middle of its box, metres.
        most: how many, K.
        refined: place a peak between nodes, where a parabola through it and its two neighbours on each axis is highest.
    """
    highest = scores
    for axis in range(3):  # a maximum over a box is one of maxima along its axes
        window, padding = [1, 1, 1], [0, 0, 0]
        window[axis], padding[axis] = _WINDOW, _WINDOW // 2
        highest = functional.max_pool3d(highest, window, stride=1, padding=padding)
    height, index = torch.where(highest == scores, scores, 0).flatten(1).topk(min(most, grid.count), dim=1)
    places = grid.offsets(index)
    return (places + _shift(scores, grid, index) if refined else places), height


def _shift(scores: Tensor, grid: Grid, index: Tensor) -> Tensor:
    """Return how far [S, K, 3] from nodes [S, K] the tops of parabolas are, metres; 0 on the faces of the box."""
    flat, (_, ny, nz) = scores.flatten(1), grid.nodes
    along = (index // (ny * nz), index // nz % ny, index % nz)
    middle, shifts = flat.gather(1, index), []
    for at, nodes, stride, pitch in zip(along, grid.nodes, (ny * nz, nz, 1), grid.pitch, strict=True):
        inside = (at > 0) & (at < nodes - 1)
        before, after = (flat.gather(1, torch.where(inside, index + step, index)) for step in (-stride, stride))
        bend = (before - 2 * middle + after).clamp_max(-1e-12)
        shifts.append(torch.where(inside, 0.5 * (before - after) / bend, 0).clamp(-0.5, 0.5) * pitch)
    return torch.stack(shifts, dim=-1)
