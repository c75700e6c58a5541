"""Where the nodes of voxels are, and where cameras see them: against one node after the other."""

import attrs
import pytest
import torch
from voxel_kit import camera_of

from poseplug_virtualpose.maps import cells_of
from poseplug_virtualpose.voxels.space import NEAREST, NOWHERE, Boxes3D, Grid

GRID = Grid((8.0, 2.4, 6.0), (5, 4, 7))


def nodes_one_by_one(grid):
    """Return node after node [V, 3] about the middle: index / (nodes - 1) of the way from face to face."""
    return torch.tensor(
        [
            [i / (n - 1) * s - s / 2 for i, n, s in zip((x, y, z), grid.nodes, grid.size, strict=True)]
            for x in range(grid.nodes[0])
            for y in range(grid.nodes[1])
            for z in range(grid.nodes[2])
        ]
    )


def boxes_about(world, camera, size=(64, 120)):
    middle = camera.world_to_camera(torch.tensor(world).expand(len(camera), 1, 3))[:, 0]
    return Boxes3D.about(middle, camera, cells_of(camera, *size)[0])


def test_nodes_lie_on_the_faces_and_evenly_between_them():
    torch.testing.assert_close(GRID.offsets(torch.arange(GRID.count)), nodes_one_by_one(GRID))
    assert GRID.pitch == pytest.approx((2.0, 0.8, 1.0))


def test_the_papers_space_has_a_pitch_of_a_tenth_of_a_metre():
    paper = Grid((8.0, 2.4, 8.0), (80, 24, 80))
    assert paper.count == 153_600
    assert [round(1000 * pitch, 1) for pitch in paper.pitch] == [101.3, 104.3, 101.3]


@pytest.mark.parametrize("distorted", [False, True])
def test_nodes_are_seen_where_the_camera_projects_them(distorted):
    camera = camera_of(2)
    if distorted:
        camera = attrs.evolve(camera, distortion=torch.tensor([[-0.2, 0.24, -0.02, -0.003, 0.002]]).expand(2, 5))
    boxes = boxes_about((0.2, 1.1, -0.1), camera)
    for row in range(2):
        world = nodes_one_by_one(GRID) + torch.tensor([0.2, 1.1, -0.1])
        points = camera.select(torch.tensor([row])).world_to_camera(world[None])
        pixels = camera.select(torch.tensor([row])).project(points)
        places = boxes.letterbox.place(pixels, torch.tensor([row]))[0]
        columns, rows, depths = boxes.cells(row, GRID)
        torch.testing.assert_close(depths, points[0, :, 2])
        seen = depths > NEAREST
        if distorted:
            seen &= (points[0, :, :2].abs() <= points[0, :, 2:]).all(-1)
        assert seen.sum() > 0
        torch.testing.assert_close(torch.stack([columns, rows], -1)[seen], places[seen], rtol=1e-4, atol=1e-3)
        assert (columns[~seen] == NOWHERE).all()


def test_what_is_behind_the_camera_is_seen_nowhere():
    columns, _, depths = boxes_about((0.0, 1.1, 0.0), camera_of(1, distance=1.0)).cells(0, GRID)
    assert (depths < 0).any()
    assert (columns[depths < NEAREST] == NOWHERE).all()


def test_without_a_world_cameras_are_level():
    camera = attrs.evolve(camera_of(1), rotation=None, position=None)
    boxes = Boxes3D.about(torch.tensor([[0.3, 0.2, 4.0]]), camera, cells_of(camera, 64, 120)[0])
    up = boxes.to_camera(torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]))[0]
    torch.testing.assert_close(up[0] - up[1], torch.tensor([0.0, -1.0, 0.0]))
    torch.testing.assert_close(up[1], torch.tensor([0.3, 0.2, 4.0]))


def test_places_about_a_box_are_found_again():
    boxes = boxes_about((0.4, 1.0, 0.3), camera_of(3))
    offsets = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(boxes.offsets(boxes.to_camera(offsets)), offsets, rtol=1e-4, atol=1e-5)
    # The middle of the box is where it was said to be in the world.
    world = boxes.camera.camera_to_world(boxes.to_camera(torch.zeros(3, 1, 3)))
    torch.testing.assert_close(world, torch.tensor([0.4, 1.0, 0.3]).expand(3, 1, 3), rtol=1e-4, atol=1e-5)
