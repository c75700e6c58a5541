"""What is read from drawn maps is what was drawn."""

import pytest
import torch
from canvases import SKELETON, people, rendered, scenes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug_virtualpose.agr.decoding import Detections2D, decode, joints_in_boxes


def apart(pixels, least):
    roots = pixels[:, SKELETON.root]
    distance = torch.cdist(roots, roots) + 1e6 * torch.eye(len(roots))
    return bool((distance > least).all())


@given(seed=st.integers(0, 10_000), canvas=st.sampled_from([(128, 240), (64, 120)]), truncate=st.booleans())
@settings(max_examples=25, deadline=None)
def test_people_who_stand_apart_are_found(seed, canvas, truncate):
    generator = torch.Generator().manual_seed(seed)
    pixels = people(4, generator, side=150.0)
    if not apart(pixels, 250.0):
        return
    scene = torch.tensor([1, 0, 1, 1])
    maps = rendered(scenes_of(pixels, scene, 3), height=canvas[0], width=canvas[1], truncate=truncate)
    found = decode(maps, SKELETON.root, most=5)
    assert found.scene.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert (found.score > 0).view(3, 5).sum(1).tolist() == [1, 3, 0]
    places = maps.letterbox.place(pixels, scene)
    low, high = places.amin(1), places.amax(1)
    margin = (high - low) * torch.tensor([0.25, 0.12])
    picture = maps.letterbox.place(torch.tensor([[0.0, 0.0], [1920.0, 1080.0]]).expand(3, 2, 2))[0]
    boxes = torch.cat([low - margin, high + margin], 1).clamp(picture[0].repeat(2), picture[1].repeat(2))
    for person in range(4):
        off = (found.place - places[person, SKELETON.root]).abs().amax(1) + 1e6 * (found.scene != scene[person])
        assert off.min() <= 0.5 + 1e-4
        assert (found.box[off.argmin()] - boxes[person]).abs().max() <= 1


def test_a_place_between_cells_is_found_once_and_exactly():
    pixels = people(1, torch.Generator().manual_seed(0))
    for x, y in ((640.0, 480.0), (644.0, 480.0), (642.7, 483.1)):
        pixels[0, SKELETON.root] = torch.tensor([x, y])
        maps = rendered(scenes_of(pixels, [0], 1))
        found = decode(maps, SKELETON.root)
        assert (found.score > 0).sum() == 1
        assert torch.allclose(found.place[0], maps.letterbox.place(pixels)[0, SKELETON.root], atol=0.02)


def test_slots_are_by_score_and_empty_ones_are_zero():
    pixels = people(3, torch.Generator().manual_seed(4))
    maps = rendered(scenes_of(pixels, [0, 0, 0], 1), truncate=True)
    maps.heatmaps[0, SKELETON.root] *= torch.linspace(0.3, 1, 240)
    found = decode(maps, SKELETON.root, most=6)
    score = found.score.tolist()
    assert score == sorted(score, reverse=True)
    assert score[2] > 0
    assert score[3:] == [0, 0, 0]
    assert not found.box[3:].any()
    assert not found.place[3:].any()
    assert decode(maps, SKELETON.root, most=2).score.tolist() == pytest.approx(score[:2])
    assert not decode(maps, SKELETON.root, least=1.1).score.any()


def test_joints_are_found_in_the_box_of_their_person():
    generator = torch.Generator().manual_seed(2)
    pixels = people(2, generator, side=100.0)
    pixels += torch.tensor([[[400.0, 500.0]], [[1400.0, 500.0]]]) - pixels[:, SKELETON.root, None]
    scene = torch.tensor([0, 0])
    maps = rendered(scenes_of(pixels, scene, 1))
    found = decode(maps, SKELETON.root, most=4)
    joints = joints_in_boxes(maps, found)
    assert joints.shape == (4, 15, 2)
    places = maps.letterbox.place(pixels, scene)
    for person in range(2):
        row = (found.place - places[person, SKELETON.root]).norm(dim=-1).argmin()
        assert (joints[row] - places[person]).abs().max() < 0.1
    assert not joints[2:].any()
    # A joint without a peak is where the root is.
    maps.heatmaps[0, 5] = 0
    assert torch.equal(joints_in_boxes(maps, found)[:, 5], found.place)


def test_maps_without_scenes_or_smaller_than_slots():
    maps = rendered(scenes_of(torch.zeros(0, 15, 2), [], 2), height=8, width=8)
    found = decode(maps, SKELETON.root, most=100)
    assert isinstance(found, Detections2D)
    assert len(found) == 200
    assert not found.score.any()
    assert joints_in_boxes(maps, found).shape == (200, 15, 2)
    assert len(decode(maps.select(slice(0, 0)), SKELETON.root)) == 0
