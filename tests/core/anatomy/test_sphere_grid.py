"""The grid on the sphere: every direction has one cell, cells are about as large as asked, growing is by angle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poseplug.core.anatomy.sphere_grid import SphereGrid

SIDES = st.sampled_from([2, 4, 10, 20, 52])
VECTORS = st.tuples(*[st.floats(-10, 10) for _ in range(3)])


def vectors(n: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(3, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn / drawn.norm(dim=0)


def angles(grid: SphereGrid) -> torch.Tensor:
    return (grid.centres.T @ grid.centres).clamp(-1, 1).acos()


@given(SIDES, VECTORS)
@settings(deadline=None)
def test_the_cell_of_a_direction_has_its_middle_near(side, vector):
    assume(math.hypot(*vector) > 1e-3)
    direction = torch.tensor(vector, dtype=torch.float64)[:, None]
    grid = SphereGrid(side)
    for cell in (grid.cells(direction), grid.cells(direction * 3.7)):  # at a border they are two
        assert 0 <= int(cell) < side**2
        distance = torch.dot(grid.centres[:, cell][:, 0], direction[:, 0] / direction.norm()).clamp(-1, 1).acos()
        assert distance < 4.4 / side  # of a million directions none on any side is 4.25 or more away


def test_lengths_do_not_matter():
    grid, drawn = SphereGrid(52), vectors(10_000)
    assert torch.equal(grid.cells(drawn), grid.cells(drawn * 3.7))


@pytest.mark.parametrize("side", [2, 8, 52])
def test_middles_lie_in_their_cells_and_are_mirrored(side):
    grid = SphereGrid(side)
    torch.testing.assert_close(grid.centres.norm(dim=0), torch.ones(side**2, dtype=torch.float64))
    assert torch.equal(grid.cells(grid.centres), torch.arange(side**2))
    mirrored = grid.cells(grid.centres * torch.tensor([-1.0, 1, 1], dtype=torch.float64)[:, None])
    assert torch.equal(mirrored.view(side, side), torch.arange(side**2).view(side, side).flip(1))


def test_cells_are_as_large_as_asked():
    """Of uniform directions each cell has its share; the largest has at most 1.7 times the mean, the least a third."""
    for degrees in (3.0, 11.0):
        grid = SphereGrid.of_degrees(degrees)
        assert math.degrees(math.sqrt(4 * math.pi / grid.num_cells)) <= degrees
        assert math.degrees(math.sqrt(4 * math.pi / (grid.side - 2) ** 2)) > degrees
    counts = torch.bincount(grid.cells(vectors(400_000)), minlength=grid.num_cells) * grid.num_cells / 400_000
    assert counts.max() < 1.85
    assert counts.min() > 0.22


def test_growing_is_by_angle():
    grid = SphereGrid(14)
    occupied = torch.rand(3, grid.num_cells, generator=torch.Generator().manual_seed(0)) < 0.02
    for radius in (0.0, 0.2, 0.5):
        grown = grid.dilate(occupied, radius)
        near = angles(grid) <= radius
        expected = torch.stack([near[:, row].any(1) | row for row in occupied])
        assert torch.equal(grown, expected)


def test_holes_are_filled_and_coasts_stay():
    grid = SphereGrid(40)
    cap = grid.centres[2] > math.cos(1.0)
    hole = angles(grid)[:, grid.cells(torch.tensor([[0.1], [0.2], [1.0]], dtype=torch.float64))[0]] < 0.12
    closed = grid.close((cap & ~hole)[None], 0.15)[0]
    assert closed[hole].all()
    assert not closed[grid.centres[2] < math.cos(1.1)].any()


def test_the_nearest_is_the_nearest():
    grid = SphereGrid(12)
    occupied = torch.rand(4, grid.num_cells, generator=torch.Generator().manual_seed(0)) < 0.3
    occupied[0] = grid.centres[1] > 0.4
    occupied[3] = False
    found = grid.nearest(occupied)
    distances = angles(grid)
    for row, cells in zip(occupied[:3], found, strict=False):
        assert row[cells].all()
        least = distances[:, row].amin(1)
        torch.testing.assert_close(distances.gather(1, cells[:, None])[:, 0], least, atol=1e-5, rtol=0)
    assert (found[3] == 0).all()
