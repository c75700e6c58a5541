"""Box maps, against people painted one after the other."""

import pytest
import torch
from canvases import SKELETON, cameras, people, rendered, scenes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug_virtualpose.agr.boxes import boxes_about, paint_boxes


def slowly(root, distances, order, scene, size):
    scenes, height, width = size
    half = max(1, round(15 * min(1, width / 240)))
    maps = torch.zeros(scenes, 4, height, width)
    for person in order.tolist():
        column, row = root[person].floor().long().tolist()
        rows = slice(max(0, row - half), max(0, row + half))
        columns = slice(max(0, column - half), max(0, column + half))
        maps[scene[person], :, rows, columns] = distances[person, :, None, None]
    return maps


@given(seed=st.integers(0, 1000), canvas=st.sampled_from([(128, 240), (20, 36), (16, 400)]))
@settings(max_examples=20, deadline=None)
def test_squares_are_painted_in_order(seed, canvas):
    generator = torch.Generator().manual_seed(seed)
    height, width = canvas
    root = (torch.rand(7, 2, generator=generator) * 1.6 - 0.3) * torch.tensor([width, height])
    distances = torch.rand(7, 4, generator=generator)
    scene = torch.randint(3, (7,), generator=generator)
    order = torch.randperm(7, generator=generator)
    size = (4, height, width)
    most = int(torch.bincount(scene).max())
    painted = paint_boxes(root, distances, order, scene, size, most)
    assert torch.equal(painted, slowly(root, distances, order, scene, size))


def test_boxes_worked_out_by_hand():
    joints = torch.tensor([[[100.0, 50.0], [140.0, 150.0], [torch.nan, 9999.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    seen = joints.isfinite().all(-1)
    seen[1] = False
    corner = torch.tensor([[0.0, 40.0], [0.0, 0.0]])
    boxes = boxes_about(joints.nan_to_num(), seen, corner, torch.tensor([[145.0, 200.0], [9.0, 9.0]]))
    assert boxes[0].tolist() == pytest.approx([90.0, 40.0, 145.0, 162.0])
    assert not boxes[1].any()


def test_later_people_are_seen_or_nearer_ones():
    pixels = people(1, torch.Generator().manual_seed(0)).repeat(2, 1, 1)
    pixels[1] += torch.tensor([30.0, 0.0])
    depth = torch.zeros(2, 15, 3) + torch.tensor([[[0.0, 0, 3.0]], [[0.0, 0, 6.0]]])
    batch = scenes_of(pixels, [0, 0], 1, joints_3d=depth)
    alone = rendered(scenes_of(pixels, [0, 1], 2))
    places = alone.letterbox.place(pixels, torch.tensor([0, 0]))[:, SKELETON.root].long()
    x, y = places[0].tolist()
    assert torch.equal(rendered(batch).boxes[0, :, y, x], alone.boxes[1, :, y, x])
    assert torch.equal(rendered(batch, overlap="nearer").boxes[0, :, y, x], alone.boxes[0, :, y, x])
    assert not torch.equal(alone.boxes[0, :, y, x], alone.boxes[1, :, y, x])


def test_boxes_count_joints_that_are_out_of_view():
    pixels = torch.full((1, 15, 2), 200.0)
    pixels[0, 5] = torch.tensor([-200.0, 300.0])
    maps = rendered(scenes_of(pixels, [0], 1, camera=cameras(1, size=(960.0, 512.0))))
    # From 200 pixels to the edge of the picture on the left, and a quarter of 400 pixels more on the right.
    assert maps.boxes[0, :, 50, 50].tolist() == pytest.approx([50.0, 3.0, 25.0, 28.0])
