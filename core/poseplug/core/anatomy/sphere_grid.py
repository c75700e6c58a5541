"""A grid on the sphere in which the cell of a direction is found by arithmetic alone.

A direction divided by the sum of its absolute coordinates lies on an octahedron. Seen along z its front half is a
diamond in a square; the back half is folded outwards over the diamond's edges into the square's corners. The square is
cut into equal cells. There are no poles, as azimuth and elevation have them, and no trigonometry: the largest cells
have five times the solid angle of the smallest, so cells are finest about the six axes. A mirror image that changes the
sign of x mirrors the square.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache

import attrs
import torch
from torch import Tensor

_CHUNK = 512


def unfold(directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the place of directions [3, ...] in the square, each coordinate in [-1, 1]; lengths do not matter."""
    x, y, z = directions.unbind(0)
    scale = (x.abs() + y.abs()).add_(z.abs()).reciprocal_()
    u, v = x * scale, y * scale
    behind = z < 0
    return (
        torch.where(behind, torch.copysign(1 - v.abs(), u), u),
        torch.where(behind, torch.copysign(1 - u.abs(), v), v),
    )


@attrs.frozen(slots=False)
class SphereGrid:
    """Cells on the sphere, by rows of the square.

    Attributes:
        side: how many cells there are along the square's side; even, so that no cell lies across the mirror's plane.
    """

    side: int

    @classmethod
    def of_degrees(cls, degrees: float) -> SphereGrid:
        """Return the grid whose cells are as large, on average, as a square of so many degrees, or a little less."""
        return cls(2 * math.ceil(math.sqrt(math.pi) / math.radians(degrees)))

    @property
    def num_cells(self) -> int:
        return self.side**2

    def cells(self, directions: Tensor) -> Tensor:
        """Return the numbers int64 [...] of the cells of directions [3, ...]."""
        column, row = (((x + 1) * (self.side / 2)).long().clamp_(0, self.side - 1) for x in unfold(directions))
        return row * self.side + column

    @cached_property
    def centres(self) -> Tensor:
        """Unit vectors [3, cells] to the middles of the cells, float64."""
        places = (torch.arange(self.side, dtype=torch.float64) + 0.5) * (2 / self.side) - 1
        v, u = torch.meshgrid(places, places, indexing="ij")
        u, v = u.flatten(), v.flatten()
        z = 1 - u.abs() - v.abs()
        behind = z < 0
        x = torch.where(behind, torch.copysign(1 - v.abs(), u), u)
        y = torch.where(behind, torch.copysign(1 - u.abs(), v), v)
        vectors = torch.stack([x, y, z])
        units: Tensor = vectors / torch.linalg.vector_norm(vectors, dim=0)
        return units

    def dilate(self, occupied: Tensor, radius: float) -> Tensor:
        """Return the cells whose middle is at most ``radius`` (rad) from that of a cell in ``occupied`` [..., cells].

        Distances are those on the sphere, so cells of all sizes grow alike.
        """
        # One row of neighbours after the other, with the cells first: whole rows are read and written.
        cells_first = occupied.reshape(-1, self.num_cells).T.contiguous()
        grown = cells_first.clone()
        for neighbours in _neighbours(self.side, radius):
            grown |= cells_first.index_select(0, neighbours)
        return grown.T.reshape(occupied.shape)

    def close(self, occupied: Tensor, radius: float) -> Tensor:
        """Return the cells after holes and bays up to twice ``radius`` (rad) across have been filled."""
        return occupied | ~self.dilate(~self.dilate(occupied, radius), radius)

    def nearest(self, occupied: Tensor) -> Tensor:
        """Return for each cell the number of the nearest one in ``occupied`` [R, cells], for each of its rows.

        In rows without one it is 0.
        """
        # From outside the nearest is on the border: it has a neighbour that is not occupied.
        border = occupied & self.dilate(~occupied, 3 * math.sqrt(math.pi) / self.side)
        centres, found = self.centres.float(), torch.arange(self.num_cells).repeat(len(occupied), 1)
        for row, (is_in, at_border) in enumerate(zip(occupied, border, strict=True)):
            numbers, outside = at_border.nonzero()[:, 0], (~is_in).nonzero()[:, 0]
            if len(numbers):
                found[row, outside] = numbers[(centres[:, numbers].T @ centres[:, outside]).argmax(0)]
            elif not is_in.any():
                found[row] = 0
        return found


@lru_cache(maxsize=16)
def sphere_grid(side: int) -> SphereGrid:
    """Return the grid with so many cells along its side, made once."""
    return SphereGrid(side)


@lru_cache(maxsize=16)
def _neighbours(side: int, radius: float) -> Tensor:
    """Return for each cell those within a radius (rad), int64 [most, cells]; where there are fewer, the cell itself."""
    grid = sphere_grid(side)
    if radius <= 0:
        return torch.empty(0, grid.num_cells, dtype=torch.int64)
    found = []
    for start in range(0, grid.num_cells, _CHUNK):
        near = grid.centres[:, start : start + _CHUNK].T @ grid.centres >= math.cos(radius)
        found.append(near.nonzero() + torch.tensor([start, 0]))
    cells, others = torch.cat(found).T
    counts = torch.bincount(cells, minlength=grid.num_cells)
    places = torch.arange(len(cells)) - (counts.cumsum(0) - counts)[cells]
    table = torch.arange(grid.num_cells).repeat(int(counts.max()), 1)
    table[places, cells] = others
    return table
