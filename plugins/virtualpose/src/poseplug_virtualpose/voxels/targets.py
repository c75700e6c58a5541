"""What the volumes of root estimation are trained to be."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug_virtualpose.voxels.space import Boxes3D, Grid

# Standard deviation of the Gaussians about roots in metres, and after how many of them they are cut off along each axis
# (released code).
_SIGMA = 0.2
_CUT = 3.0


def root_volumes(roots: Tensor, scene: Tensor, counts: Tensor, boxes: Boxes3D, grid: Grid) -> Tensor:
    """Return volumes [S, X, Y, Z]: Gaussians about roots, of those that overlap the highest.

    Args:
        roots: [N, 3] true ones, camera frame, metres.
        scene: [N] row of each person's box.
        counts: [N] bool, which are drawn.
        boxes: of the S scenes.
        grid: the nodes in them.
    """
    places = boxes.select(scene).offsets(roots[:, None])
    x, y, z = (_profile(axis - places[:, :, number]) for number, axis in enumerate(grid.axes(roots.device)))
    x = torch.where(counts[:, None], x, 0)
    people = torch.einsum("nx, ny, nz -> nxyz", x, y, z)
    volumes = torch.zeros(len(boxes), grid.count, device=roots.device)
    of = scene[:, None].expand(-1, grid.count)
    return volumes.scatter_reduce_(0, of, people.flatten(1), "amax").view(-1, *grid.nodes)


def _profile(off: Tensor) -> Tensor:
    return torch.where(off.abs() <= _CUT * _SIGMA, torch.exp(-0.5 * (off / _SIGMA).square()), 0)
