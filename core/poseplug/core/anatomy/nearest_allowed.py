"""The way back into joint limits: for each cell the nearest one that is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor

from poseplug.core.anatomy.sphere_grid import sphere_grid


class NearestAllowed:
    """Angles from directions to the middles of the nearest allowed cells.

    Where the bone above points where nothing is allowed for the one below, what counts is what is allowed at the
    nearest place for the bone above where something is, and the angle to there.

    Args:
        tables: as in ``JointLimits``. Cells, and rows of cells, are numbered through all tables, from 1.
    """

    def __init__(self, tables: Mapping[str, Tensor]) -> None:
        grids = {side: sphere_grid(side) for table in tables.values() for side in map(math.isqrt, table.shape)}
        places = [0, *accumulate(grid.num_cells for grid in grids.values())]
        numbered = dict(zip(grids, places, strict=False))
        targets, detours, moved = ([torch.zeros(1, dtype=torch.int32)] for _ in range(3))
        for table in tables.values():
            above, own = map(math.isqrt, table.shape)
            some = table.any(1).cpu()
            instead = grids[above].nearest(some[None])[0]
            nearest = grids[own].nearest(table.cpu())[instead]
            targets.append(nearest.flatten().int() + numbered[own])
            detours.append(instead.int() + numbered[above])
            moved.append((~some).int())
        device = next(iter(tables.values())).device
        self.centres = torch.cat([grid.centres for grid in grids.values()], 1).to(device, torch.float32)
        self.targets, self.detours, self.moved = (torch.cat(parts).to(device) for parts in (targets, detours, moved))

    def angles(self, directions: Tensor, cells: Tensor) -> Tensor:
        """Return the angles (rad) [B, N] of directions [3, B, N] in ``cells`` [B, N]."""
        return self._angles(directions, self.targets.index_select(0, cells.flatten()))

    def detour(self, directions: Tensor, rows: Tensor) -> Tensor:
        """Return the angles (rad) [B, N] of bones above, [3, B, N], to where something is allowed for bones below."""
        rows = rows.flatten()
        angles = self._angles(directions, self.detours.index_select(0, rows))
        return angles * self.moved.index_select(0, rows).view(angles.shape).to(angles.dtype)

    def _angles(self, directions: Tensor, targets: Tensor) -> Tensor:
        centres = self.centres.index_select(1, targets).view(directions.shape).to(directions.dtype)
        # Norms, unlike the arc cosine, are accurate at small angles; where one is zero, so is its gradient.
        apart, together = (torch.linalg.vector_norm(x, dim=0) for x in (directions - centres, directions + centres))
        return 2 * torch.atan2(apart, together)
