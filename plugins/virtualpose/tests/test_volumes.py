"""What heat maps say at nodes: against person after person, as eq. 5 has it."""

import attrs
import pytest
import torch
from torch.nn import functional
from voxel_kit import ROOT, camera_of, standing, true_maps

from poseplug_virtualpose.maps import Maps, cells_of
from poseplug_virtualpose.voxels import projection
from poseplug_virtualpose.voxels.projection import SIGMA, HeatTable, gated_volume, naive_volume
from poseplug_virtualpose.voxels.space import Boxes3D, Grid

GRID = Grid((6.0, 2.4, 6.0), (20, 8, 20))


def any_maps(scenes=2, joints=3, height=64, width=120):
    camera = camera_of(scenes)
    letterbox, focal = cells_of(camera, height, width)
    heat = torch.rand(scenes, joints, height, width, generator=torch.Generator().manual_seed(3))
    return camera, Maps(heat, torch.zeros(scenes, 4, height, width), letterbox, focal)


def space(camera, letterbox):
    middle = camera.world_to_camera(torch.tensor([0.0, 1.1, 0.0]).expand(len(camera), 1, 3))[:, 0]
    return Boxes3D.about(middle, camera, letterbox)


def heat_at(maps, scene, columns, rows):
    """Return the heat [V, J] by PyTorch's own bilinear reading, with what a letterbox adds left empty."""
    heat = maps.heatmaps[scene].clone()
    low = maps.letterbox.offset[scene]
    y, x = torch.meshgrid(torch.arange(maps.height) + 0.5, torch.arange(maps.width) + 0.5, indexing="ij")
    heat[:, (x < low[0]) | (x > maps.width - low[0]) | (y < low[1]) | (y > maps.height - low[1])] = 0
    grid = torch.stack([columns * 2 / maps.width - 1, rows * 2 / maps.height - 1], dim=-1)
    return functional.grid_sample(heat[None], grid[None, None], align_corners=False)[0, :, 0].T


def person_by_person(maps, boxes, edges, depth):
    """Return the gated volume [S, J, V]: for each person all of H(u, v) exp(...) in the box, then the maximum."""
    volumes = []
    for scene in range(len(boxes)):
        columns, rows, depths = boxes.cells(scene, GRID)
        heat = heat_at(maps, scene, columns, rows)
        volume = torch.zeros_like(heat)
        for (left, top, right, bottom), d in zip(edges[scene], depth[scene], strict=True):
            if right <= left:
                continue
            inside = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
            volume = torch.maximum(volume, inside[:, None] * heat * torch.exp(-((depths - d) ** 2) / 0.08)[:, None])
        volumes.append(volume.T)
    return torch.stack(volumes)


EDGES = torch.tensor(
    [
        [[30.0, 10.0, 60.0, 55.0], [50.0, 5.0, 75.0, 60.0], [0.0, 0.0, 0.0, 0.0]],
        [[10.0, 20.0, 40.0, 50.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
    ]
)
DEPTH = torch.tensor([[4.5, 5.2, -1.0], [5.0, 0.0, 0.0]])


def test_a_naive_volume_is_what_is_seen_at_each_node():
    camera, maps = any_maps()
    boxes = space(camera, maps.letterbox)
    volume = naive_volume(HeatTable(maps), boxes, GRID, torch.arange(2))
    assert volume.shape == (2, 3, 20, 8, 20)
    for scene in range(2):
        columns, rows, _ = boxes.cells(scene, GRID)
        expected = heat_at(maps, scene, columns, rows)
        assert (expected > 0.1).any()
        assert (expected == 0).any()
        torch.testing.assert_close(volume[scene].flatten(1).T, expected, rtol=1e-4, atol=2e-5)


def test_people_are_seen_in_the_scene_that_they_are_of():
    camera, maps = any_maps()
    boxes = space(camera, maps.letterbox)
    swapped = naive_volume(HeatTable(maps), boxes, GRID, torch.tensor([1, 1]))
    columns, rows, _ = boxes.cells(0, GRID)
    torch.testing.assert_close(swapped[0].flatten(1).T, heat_at(maps, 1, columns, rows), rtol=1e-4, atol=2e-5)


def test_the_gated_volume_is_the_maximum_over_people():
    camera, maps = any_maps()
    boxes = space(camera, maps.letterbox)
    volume = gated_volume(HeatTable(maps), boxes, GRID, EDGES, DEPTH)
    expected = person_by_person(maps, boxes, EDGES, DEPTH)
    assert (expected > 0.1).sum() > 100
    torch.testing.assert_close(volume.flatten(2), expected, rtol=1e-4, atol=2e-5)


def test_gates_are_equal_where_nothing_is_left_out(monkeypatch):
    """Off the host all nodes are read; what is closed counts nothing."""
    camera, maps = any_maps()
    boxes = space(camera, maps.letterbox)
    expected = gated_volume(HeatTable(maps), boxes, GRID, EDGES, DEPTH)
    monkeypatch.setattr(projection, "_HOST", "elsewhere")
    everywhere = gated_volume(HeatTable(maps), boxes, GRID, EDGES, DEPTH)
    torch.testing.assert_close(everywhere, expected)


def test_estimated_depths_learn_through_the_volume():
    camera, maps = any_maps()
    boxes = space(camera, maps.letterbox)
    weight = torch.rand(2, 3, GRID.count, generator=torch.Generator().manual_seed(1))
    gradients = []
    for volume_of in (person_by_person, None):
        depth = DEPTH.clone().requires_grad_()
        if volume_of is None:
            volume = gated_volume(HeatTable(maps), boxes, GRID, EDGES, depth).flatten(2)
        else:
            volume = volume_of(maps, boxes, EDGES, depth)
        (volume * weight).sum().backward()
        gradients.append(depth.grad)
    assert gradients[0].abs().max() > 1
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-3)


def test_nobody_there_leaves_the_volume_empty():
    camera, maps = any_maps()
    volume = gated_volume(
        HeatTable(maps),
        space(camera, maps.letterbox),
        GRID,
        torch.zeros(2, 3, 4),
        torch.zeros(2, 3, requires_grad=True),
    )
    assert not volume.any()


@pytest.mark.parametrize("size", [(1920.0, 1080.0), (1000.0, 1000.0)])
def test_beyond_the_picture_there_is_no_heat(size):
    """Heat in the cells that a letterbox adds is nobody's."""
    camera = attrs.evolve(camera_of(1), size=torch.tensor([size]))
    letterbox, focal = cells_of(camera, 64, 120)
    maps = Maps(torch.ones(1, 1, 64, 120), torch.zeros(1, 4, 64, 120), letterbox, focal)
    boxes = space(camera, letterbox)
    columns, rows, _ = boxes.cells(0, GRID)
    volume = naive_volume(HeatTable(maps), boxes, GRID, torch.zeros(1, dtype=torch.int64)).flatten()
    low = letterbox.offset[0] - 1.5
    beyond = (columns < low[0]) | (columns > 120 - low[0]) | (rows < low[1]) | (rows > 64 - low[1])
    assert beyond.any()
    assert not volume[beyond].any()
    within = (columns > low[0] + 3) & (columns < 117 - low[0]) & (rows > low[1] + 3) & (rows < 61 - low[1])
    torch.testing.assert_close(volume[within], torch.ones(int(within.sum())))


def test_perfect_maps_boxes_and_depths_place_roots_within_a_voxel():
    """The untrained geometry alone: the highest node of the root's gated channel is the nearest one to the root."""
    batch = standing([[(-1.2, 0.4)], [(0.7, -0.6)], [(1.5, 1.1)]])
    maps = true_maps(batch)
    grid = Grid((8.0, 2.4, 8.0), (80, 24, 80))
    boxes = space(batch.places.camera, maps.letterbox)
    cells = maps.letterbox.place(batch.joints_2d, batch.scene_rows)
    edges = torch.cat([cells.amin(1), cells.amax(1)], dim=-1)[:, None]
    volume = gated_volume(HeatTable(maps), boxes, grid, edges, batch.root[:, None, 2])[:, ROOT]
    places = grid.offsets(volume.flatten(1).argmax(1))
    off = (boxes.offsets(batch.root[:, None])[:, 0] - places).abs()
    assert (off <= torch.tensor(grid.pitch)).all()


def test_a_gate_falls_with_the_distance_from_the_estimate():
    camera, maps = any_maps(1)
    maps = attrs.evolve(maps, heatmaps=torch.ones_like(maps.heatmaps))
    boxes = space(camera, maps.letterbox)
    _, _, depths = boxes.cells(0, GRID)
    columns, rows, _ = boxes.cells(0, GRID)
    whole = torch.tensor([[[0.0, 0.0, 120.0, 64.0]]])
    volume = gated_volume(HeatTable(maps), boxes, GRID, whole, torch.tensor([[5.0]]))[0, 0].flatten()
    inside = (columns > 1) & (columns < 119) & (rows > 3) & (rows < 61)
    expected = torch.exp(-((depths - 5) ** 2) / (2 * SIGMA**2))
    torch.testing.assert_close(volume[inside], expected[inside], rtol=1e-4, atol=1e-5)
