"""Letterboxes against the rule written out for one picture at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.geometry.letterbox import Letterbox

SIDES = st.integers(8, 4000)


def by_hand(x, y, size, height, width):
    ratio = min(width / size[0], height / size[1])
    return (width - size[0] * ratio) / 2 + ratio * x, (height - size[1] * ratio) / 2 + ratio * y


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4), SIDES, SIDES, st.data())
@settings(max_examples=60, deadline=None)
def test_places_are_those_of_the_rule_and_lead_back(sizes, height, width, data):
    box = Letterbox.fitting(torch.tensor(sizes, dtype=torch.float64), height, width)
    scene = torch.tensor(data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=5)))
    pixels = torch.rand(len(scene), 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3000 - 500
    places = box.place(pixels, scene)
    for row, of in enumerate(scene.tolist()):
        for k in range(3):
            expected = by_hand(*pixels[row, k].tolist(), sizes[of], height, width)
            assert places[row, k].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-6)
    torch.testing.assert_close(box.pixels(places, scene), pixels)


@given(SIDES, SIDES, SIDES, SIDES)
@settings(max_examples=60, deadline=None)
def test_a_picture_fills_the_canvas_one_way_and_is_centred_the_other(across, down, height, width):
    box = Letterbox.fitting(torch.tensor([[across, down]], dtype=torch.float64), height, width)
    first, last = box.place(torch.tensor([[[0.0, 0.0], [across, down]]], dtype=torch.float64))[0]
    canvas = torch.tensor([width, height], dtype=torch.float64)
    torch.testing.assert_close(first, canvas - last)  # as much is left before as behind
    assert first.min() == pytest.approx(0, abs=1e-9)
    assert (first > -1e-9).all()
    middle = box.place(torch.tensor([[[across / 2, down / 2]]], dtype=torch.float64))[0, 0]
    torch.testing.assert_close(middle, canvas / 2)


def test_without_scenes_each_picture_has_its_own_points():
    box = Letterbox.fitting(torch.tensor([[100.0, 50.0], [50.0, 100.0]]), 100, 200)
    assert box.ratio.tolist() == [2, 1]
    assert box.offset.tolist() == [[0, 0], [75, 0]]
    pixels = torch.tensor([[[10.0, 10.0]], [[10.0, 10.0]]])
    assert box.place(pixels).tolist() == [[[20, 20]], [[85, 10]]]
    assert torch.equal(box.pixels(box.place(pixels)), pixels)
    assert box.place(pixels, torch.tensor([1, 1])).tolist() == [[[85, 10]], [[85, 10]]]
