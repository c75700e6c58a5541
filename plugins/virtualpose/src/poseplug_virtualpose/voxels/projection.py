"""Volumes: what the heat maps of a scene say at the nodes of voxels (eq. 5 and Sec. 4.3).

A naive volume repeats a joint's heat at every depth. A gated one has it only near the depths at which people were
estimated to be, within their boxes. For person after person that is ``H(u, v) exp(-(z - D_p)^2 / (2 sigma^2))`` and a
maximum over those whose box a node is seen in. As heat is not negative, the largest product has the nearest depth: maps
are read once, and only where anybody is near.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.tensors import constant
from poseplug_virtualpose.maps import Maps
from poseplug_virtualpose.voxels.space import Boxes3D, Grid

# Standard deviation of the gate, metres (Sec. 4.2).
SIGMA = 0.2
# So many of them away, a gate is below 1e-7 and counts as closed.
_CLOSED = 5.7
_HOST = "cpu"


class HeatTable:
    """The heat maps of S scenes as rows of J joints' heat for each cell, which are read between cells.

    Outside of the picture there is no heat: maps have a border of empty cells, and what a letterbox adds is empty.
    """

    def __init__(self, maps: Maps) -> None:
        heat = maps.heatmaps
        self.height, self.width, self.joints = maps.height, maps.width, heat.shape[1]
        low = maps.letterbox.offset[:, :, None]
        columns, rows = (torch.arange(side, device=heat.device) + 0.5 for side in (self.width, self.height))
        across = (columns > low[:, 0]) & (columns < self.width - low[:, 0])
        down = (rows > low[:, 1]) & (rows < self.height - low[:, 1])
        heat = heat.clamp(0, 1) * (down[:, :, None] & across[:, None])[:, None]
        bordered = functional.pad(heat, (1, 2, 1, 2))  # clamped places have a neighbour too
        self.table = bordered.movedim(1, -1).reshape(-1, self.joints).contiguous()
        self._corners = constant((0, 1, self.width + 3, self.width + 4), heat.device, torch.int32)

    def taps(self, scene: Tensor | int, columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the four cells [K, 4] about places [K] of a scene, and how much each counts; writes into the places.

        Places are in cells, whose centres are where their heat is.
        """
        # The border moves everything by one.
        left = columns.add_(0.5).clamp_(0, self.width + 1).int()
        top = rows.add_(0.5).clamp_(0, self.height + 1).int()
        columns.sub_(left)
        rows.sub_(top)
        weights = torch.empty(len(columns), 4, device=columns.device)
        both = columns * rows
        weights[:, 3] = both
        weights[:, 2] = rows - both
        weights[:, 1] = columns.sub_(both)
        weights[:, 0] = rows.add_(columns).neg_().add_(1)
        wide = self.width + 3
        first = torch.add(left, top, alpha=wide).add_(scene * wide * (self.height + 3))
        return first[:, None] + self._corners, weights

    def read(self, taps: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the heat [K, J] at all places whose taps these are."""
        corners, weights = (_joined(part) for part in zip(*taps, strict=True))
        heat: Tensor = functional.embedding_bag(corners, self.table, per_sample_weights=weights, mode="sum")
        return heat


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def naive_volume(heat: HeatTable, boxes: Boxes3D, grid: Grid, scene: Tensor) -> Tensor:
    """Return the heat [B, J, X, Y, Z] at the nodes of B boxes, each seen in the scene [B], at any depth."""
    read = heat.read([heat.taps(scene[row], *boxes.cells(row, grid)[:2]) for row in range(len(boxes))])
    return _volume(read, grid)


def _volume(values: Tensor, grid: Grid) -> Tensor:
    """Return values [B V, J] as volumes [B, J, X, Y, Z], without moving them."""
    return values.view(-1, *grid.nodes, values.shape[-1]).movedim(-1, 1)


def gated_volume(heat: HeatTable, boxes: Boxes3D, grid: Grid, edges: Tensor, depth: Tensor) -> Tensor:
    """Return the heat [S, J, X, Y, Z] at the nodes of each scene's box, only near the people in it; see the module.

    Args:
        heat: of the S scenes.
        boxes: one for each scene.
        grid: the nodes in them.
        edges: [S, K, 4] left, top, right, bottom in cells of the box of each of K slots; of an empty one, all alike.
        depth: [S, K] estimated depth of the people's roots, metres; learns through the volume.
    """
    where, open_by, taps = [], [], []
    for scene in range(len(boxes)):
        columns, rows, depths = boxes.cells(scene, grid)
        nodes, gate = _gates(columns, rows, depths, edges[scene], depth[scene])
        where.append(nodes + scene * grid.count)
        open_by.append(gate)
        taps.append(heat.taps(scene, columns[nodes], rows[nodes]))
    values = heat.read(taps) * torch.cat(open_by)[:, None]
    volume = torch.zeros(len(boxes) * grid.count, heat.joints, device=depth.device)
    return _volume(volume.index_copy_(0, torch.cat(where), values), grid)


def _gates(columns: Tensor, rows: Tensor, depths: Tensor, edges: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nodes [K] at which a gate is open, and how far [K]."""
    on_host = depths.device.type == _HOST
    if on_host:  # elsewhere nobody waits to hear how many there are
        there = (edges[:, 2] > edges[:, 0]).nonzero()[:, 0]
        edges, depth = edges[there], depth[there]
    with torch.no_grad():
        left, top, right, bottom = (edge[:, None] for edge in edges.unbind(1))
        outside = (columns < left) | (columns > right) | (rows < top) | (rows > bottom) | (right <= left)
        apart = (depths - depth[:, None]).abs_().masked_fill_(outside, torch.inf)
        if not len(apart):
            nearest, who = torch.full_like(depths, torch.inf), torch.zeros_like(depths, dtype=torch.int64)
        else:
            nearest, who = apart.min(0)
        is_open = nearest < _CLOSED * SIGMA
        nodes = is_open.nonzero()[:, 0] if on_host else torch.arange(len(depths), device=depths.device)
    if not len(depth):
        return nodes, depths[nodes]
    gate = torch.exp(-0.5 * ((depths[nodes] - depth[who[nodes]]) / SIGMA).square())
    return nodes, gate if on_host else gate * is_open
