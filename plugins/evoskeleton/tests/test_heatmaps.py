"""Heat maps and the joints read from them, against closed forms."""

import math

import pytest
import torch

from poseplug_evoskeleton.heatmaps import argmax, gaussian_maps, soft_argmax

SIZE = (96, 72)


def places(n, margin=30.0):
    generator = torch.Generator().manual_seed(0)
    room = torch.tensor([SIZE[1], SIZE[0]]) - 1 - 2 * margin
    return margin + room * torch.rand(n, 5, 2, generator=generator)


def test_a_map_is_a_gaussian_of_peak_one_cut_at_three_sigma():
    points = torch.tensor([[[30.0, 40.0], [30.3, 39.6]]])
    maps = gaussian_maps(points, SIZE, 4.0)
    assert maps.shape == (1, 2, *SIZE)
    assert maps[0, 0, 40, 30] == 1
    for joint, (x, y) in enumerate(points[0].tolist()):
        for row, column in ((40, 30), (45, 26), (34, 41), (52, 30), (40, 43), (53, 30)):
            far = max(abs(column - x), abs(row - y)) > 12
            expected = 0 if far else math.exp(-((column - x) ** 2 + (row - y) ** 2) / 32)
            assert maps[0, joint, row, column].item() == pytest.approx(expected, abs=1e-6)
    rounded = gaussian_maps(points, SIZE, 4.0, rounded=True)
    assert torch.equal(rounded[0, 0], rounded[0, 1])


@pytest.mark.parametrize("temperature", [0.01, 0.02, 0.05])
def test_a_gaussian_between_cells_is_found_exactly(temperature):
    points = places(20)
    found = soft_argmax(gaussian_maps(points, SIZE, 8.0), temperature)
    assert (found - points).abs().max() < 1e-2
    hard = argmax(gaussian_maps(points, SIZE, 8.0))
    assert torch.equal(hard, points.round())


def test_logits_of_a_gaussian_density_have_its_mean():
    """The softmax of -|p - c|^2 / 2 s^2 is a Gaussian with mean c: no temperature, no cut."""
    points = places(4)
    y, x = torch.meshgrid(torch.arange(float(SIZE[0])), torch.arange(float(SIZE[1])), indexing="ij")
    logits = -((x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2) / (2 * 3.0**2)
    torch.testing.assert_close(soft_argmax(logits, 1.0), points, rtol=0, atol=1e-3)


def test_a_uniform_map_has_its_joint_in_the_middle():
    found = soft_argmax(torch.full((2, 3, *SIZE), 0.7), 0.02)
    torch.testing.assert_close(found, torch.tensor([35.5, 47.5]).expand(2, 3, 2))


def test_without_a_temperature_maps_of_peak_one_are_almost_uniform():
    """Why there is one: far from the middle the paper's soft-argmax stays near it until trained by coordinates."""
    points = torch.tensor([[[60.0, 80.0]]])
    maps = gaussian_maps(points, SIZE, 2.0)
    assert (soft_argmax(maps, 1.0) - torch.tensor([35.5, 47.5])).norm() < 1
    assert (soft_argmax(maps, 0.02) - points).norm() < 0.05


def test_without_warmth_it_is_the_highest_cell():
    generator = torch.Generator().manual_seed(1)
    cells = SIZE[0] * SIZE[1]
    maps = torch.stack([torch.randperm(cells, generator=generator) for _ in range(6)]).view(2, 3, *SIZE) / cells
    torch.testing.assert_close(soft_argmax(maps, 1e-6), argmax(maps), rtol=0, atol=1e-3)


def test_the_gradient_of_the_soft_argmax_is_finite_in_float32():
    maps = (100 * torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(2))).requires_grad_()
    soft_argmax(maps, 0.01).square().sum().backward()
    assert maps.grad.isfinite().all()
