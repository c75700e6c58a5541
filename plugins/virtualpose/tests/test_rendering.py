"""Drawn maps are what a slow renderer draws; they are exact where that can be worked out by hand."""

import math

import numpy as np
import pytest
import torch
from canvases import SKELETON, cameras, people, provided, provider, rendered, scenes_of, slow_heatmaps
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.registry.conformance import conformance_tests
from poseplug_virtualpose.agr.rendered import RenderedMaps
from poseplug_virtualpose.agr.rendering import draw_heatmaps, sigmas

test_maps_keep_their_promises = conformance_tests("input", RenderedMaps)


@given(
    seed=st.integers(0, 1000),
    canvas=st.sampled_from([(32, 56), (24, 40), (40, 16), (8, 64), (64, 128)]),
    truncate=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_heat_maps_are_those_of_a_slow_renderer(seed, canvas, truncate):
    generator = torch.Generator().manual_seed(seed)
    height, width = canvas
    skeleton = LAYOUTS["coco17"]
    pixels = people(5, generator, side=float(torch.randint(30, 1200, (), generator=generator)), skeleton=skeleton)
    batch = scenes_of(pixels, [0, 2, 2, 0, 2], 3, skeleton=skeleton)
    maps = rendered(batch, height=height, width=width, truncate=truncate)
    places = maps.letterbox.place(pixels, batch.scene)
    slow = slow_heatmaps(places, [0, 2, 2, 0, 2], 3, height, width, truncate)
    assert np.abs(maps.heatmaps.numpy() - slow).max() < 2e-5
    assert not maps.heatmaps[1].any()
    assert not maps.boxes[1].any()


def test_peaks_and_widths_in_closed_form():
    places = torch.zeros(1, 15, 2) + torch.tensor([100.5, 60.5])
    places[0, 1] = torch.tensor([100.5, 60.5 + 60])  # a person who is 60 cells tall
    sigma = sigmas(places, torch.ones(1, 15, dtype=torch.bool), 240)
    assert sigma.item() == pytest.approx(3 * math.sqrt(2) * 60 / 96)
    maps = draw_heatmaps(places, sigma, torch.tensor([0]), (1, 128, 240))
    assert maps[0, 0, 60, 100] == 1
    assert maps[0, 0, 60, 105].item() == pytest.approx(math.exp(-12.5 / sigma.item() ** 2), rel=1e-5)
    assert maps[0, 0, 53, 96].item() == pytest.approx(math.exp(-(49 + 16) / 2 / sigma.item() ** 2), rel=1e-5)
    # The sum over the plane, less what is cut off beyond three deviations on each axis.
    inside = math.erf(3 / math.sqrt(2)) ** 2
    assert maps[0, 0].sum().item() == pytest.approx(2 * math.pi * sigma.item() ** 2 * inside, rel=0.02)


@pytest.mark.parametrize(
    ("width", "side", "expected"), [(240, 10, 48), (240, 500, 192), (480, 300, 192), (120, 10, 24), (60, 500, 48)]
)
def test_sizes_are_bounded_as_the_canvas_is_large(width, side, expected):
    places = torch.tensor([[[0.0, 0.0], [float(side), side / 2]]])
    seen = torch.ones(1, 2, dtype=torch.bool)
    assert sigmas(places, seen, width).item() == pytest.approx(max(1.0, 3 * math.sqrt(2) * expected / 96))


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(3)
    places = (torch.rand(3, 4, 2, generator=generator) * 20).double().requires_grad_()
    sigma = torch.tensor([1.5, 2.0, 1.0], dtype=torch.float64)
    # Cells far from where Gaussians are cut off or cross.
    weights = (torch.rand(2, 4, 20, 24, generator=generator) > 0.5).double()

    def total(at):
        return (draw_heatmaps(at, sigma, torch.tensor([0, 1, 1]), (2, 20, 24)) * weights).sum((2, 3))

    assert torch.autograd.gradcheck(total, (places,), eps=1e-7, atol=1e-3, rtol=1e-2)


def test_gradients_and_peaks_do_not_change_what_is_drawn():
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(6, 5, 2, generator=generator) * 60
    peak = torch.rand(6, 5, generator=generator)
    sigma = 1 + torch.rand(6, generator=generator)
    scene = torch.tensor([0, 0, 1, 1, 1, 3])
    plain = draw_heatmaps(places, sigma, scene, (4, 40, 60), peak)
    traced = draw_heatmaps(places.clone().requires_grad_(), sigma, scene, (4, 40, 60), peak)
    assert torch.allclose(plain, traced.detach(), atol=1e-5)
    ones = draw_heatmaps(places[:1], sigma[:1], scene[:1], (1, 40, 60))
    assert torch.allclose(
        draw_heatmaps(places[:1], sigma[:1], scene[:1], (1, 40, 60), peak[:1]), ones * peak[0, :, None, None]
    )


def test_nobody_and_empty_scenes_are_empty_maps():
    empty = scenes_of(torch.zeros(0, 15, 2), [], 3)
    maps = rendered(empty, height=32, width=64)
    assert maps.heatmaps.shape == (3, 15, 32, 64)
    assert not maps.heatmaps.any()
    assert maps.boxes.shape == (3, 4, 32, 64)
    assert not maps.boxes.any()
    # 1080 rows of pixels become 32 of cells.
    assert maps.focal.tolist() == pytest.approx([1400 * 32 / 1080] * 3)
    none = scenes_of(torch.zeros(0, 15, 2), [], 0, camera=cameras(0))
    assert rendered(none, height=32, width=64).heatmaps.shape == (0, 15, 32, 64)


def test_key_points_that_are_no_numbers_are_not_drawn():
    pixels = people(2, torch.Generator().manual_seed(0))
    pixels[0, 4] = torch.nan
    maps = rendered(scenes_of(pixels, [0, 1], 2))
    assert maps.heatmaps.isfinite().all()
    assert maps.boxes.isfinite().all()
    assert not maps.heatmaps[0, 4].any()
    assert maps.heatmaps[1, 4].any()
    assert maps.heatmaps[0, 5].any()
    far = pixels.clone()
    far[0, 4] = 1e30
    assert not rendered(scenes_of(far, [0, 1], 2)).heatmaps[0, 4].any()


def test_letterboxed_pictures_keep_their_shape():
    pixels = torch.zeros(1, 15, 2) + torch.tensor([500.0, 250.0])
    maps = rendered(scenes_of(pixels, [0], 1, camera=cameras(1, size=(1000.0, 500.0))), height=128, width=240)
    peak = (maps.heatmaps[0, 0] == maps.heatmaps[0, 0].max()).nonzero()
    # The middle of the picture is the corner of the four middle cells.
    assert sorted(map(tuple, peak.tolist())) == [(63, 119), (63, 120), (64, 119), (64, 120)]
    assert maps.letterbox.ratio.item() == pytest.approx(0.24)


def test_a_batch_where_everybody_is_alone_has_a_map_for_each():
    batch = scenes_of(people(3, torch.Generator().manual_seed(1)), [0, 0, 1], 2)
    together, alone = rendered(batch), rendered(batch.alone())
    assert alone.heatmaps.shape[0] == 3
    assert torch.equal(torch.maximum(alone.heatmaps[0], alone.heatmaps[1]), together.heatmaps[0])
    assert provider().per_scene
    assert provider().provides == "maps"
    boxes = torch.tensor([[1.0, 2.0, 500.0, 600.0]]).expand(3, 4)
    given = provided(provider(), batch.alone(), boxes=boxes)
    cell = given.letterbox.place(batch.joints_2d, torch.arange(3))[0, SKELETON.root]
    at = given.boxes[0, :, int(cell[1]), int(cell[0])]
    left, top = given.letterbox.place(boxes[:, None, :2], torch.arange(3))[0, 0]
    assert torch.allclose(at[:2], cell - torch.stack([left, top]), atol=1e-4)
