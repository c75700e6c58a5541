"""Crops: where they lie, what is in them, and the way back."""

import math

import pytest
import torch
from torch.nn import functional

from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.crops import CropMaps, imagenet_normalised, padded, take_crops

CROP = (96, 64)


def boxes(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.cat(
        [200 * torch.rand(n, 2, generator=generator) - 50, 5 + 300 * torch.rand(n, 2, generator=generator)], 1
    )


def test_points_go_to_the_crop_and_back():
    maps = CropMaps.of_boxes(boxes(50), CROP)
    inner, _ = CropChanges(rotated=1.0).draw(50, CROP, torch.Generator().manual_seed(1))
    for each in (maps, maps.after(inner)):
        points = 500 * torch.rand(50, 16, 2, dtype=torch.float64) - 100
        torch.testing.assert_close(each.to_image(each.to_crop(points)), points, rtol=0, atol=1e-9)
        torch.testing.assert_close(each.to_crop(each.to_image(points)), points, rtol=0, atol=1e-9)


def test_boxes_get_the_shape_of_the_crop_about_their_middle():
    fitting = padded(boxes(50), CROP)
    torch.testing.assert_close(fitting[:, 3] / fitting[:, 2], torch.full((50,), 1.5))
    torch.testing.assert_close(fitting[:, :2] + fitting[:, 2:] / 2, boxes(50)[:, :2] + boxes(50)[:, 2:] / 2)
    assert (fitting[:, 2:] >= boxes(50)[:, 2:] - 1e-3).all()
    exact = torch.isclose(fitting[:, 2:], boxes(50)[:, 2:]).any(1)
    assert exact.all(), "no larger than it must be"


def test_the_corners_of_the_box_are_those_of_the_crop():
    maps = CropMaps.of_boxes(torch.tensor([[10.0, 20.0, 128.0, 192.0]]), CROP)
    corners = torch.tensor([[[-0.5, -0.5], [63.5, 95.5]]])
    torch.testing.assert_close(maps.to_image(corners), torch.tensor([[[9.5, 19.5], [137.5, 211.5]]]))


def image(height, width):
    return (255 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(3))).to(torch.uint8)


def test_a_whole_image_is_its_own_crop():
    given = image(96, 64)
    maps = CropMaps.of_boxes(torch.tensor([[0.0, 0.0, 64.0, 96.0]]), CROP)
    torch.testing.assert_close(take_crops(given, maps, CROP)[0], given / 255, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_smaller_crops_are_means_of_pixels(factor):
    given = image(96 * factor, 64 * factor)
    maps = CropMaps.of_boxes(torch.tensor([[0.0, 0.0, 64.0 * factor, 96.0 * factor]]), CROP)
    expected = functional.avg_pool2d(given.float() / 255, factor)
    torch.testing.assert_close(take_crops(given, maps, CROP)[0], expected, rtol=0, atol=1e-4)


def test_a_crop_is_the_cut_with_zeros_outside():
    given = image(100, 100)
    maps = CropMaps.of_boxes(torch.tensor([[-20.0, 30.0, 64.0, 96.0]]), CROP)
    crop = take_crops(given, maps, CROP)[0]
    torch.testing.assert_close(crop[:, :70, 20:], given[:, 30:, :44] / 255, rtol=0, atol=1e-5)
    assert crop[:, 70:].abs().max() < 1e-5
    assert crop[:, :, :20].abs().max() < 1e-5


def test_a_spot_is_where_the_map_says():
    """Independent of how crops are sampled: the centre of mass of a blob that was drawn at a known point."""
    centre = torch.tensor([140.3, 90.8])
    y, x = torch.meshgrid(torch.arange(200.0), torch.arange(300.0), indexing="ij")
    blob = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 4.0**2))
    given = (255 * blob).round().to(torch.uint8).expand(3, -1, -1)
    people = torch.tensor([[100.0, 40.0, 90.0, 110.0], [60.0, 20.0, 160.0, 170.0], [120.0, 70.0, 40.0, 45.0]])
    inner, _ = CropChanges(rotated=1.0).draw(3, CROP, torch.Generator().manual_seed(0))
    for maps in (CropMaps.of_boxes(people, CROP), CropMaps.of_boxes(people, CROP).after(inner)):
        crops = take_crops(given, maps, CROP)[:, 0].double()
        weight = crops / crops.sum((1, 2), keepdim=True)
        found = torch.stack(
            [weight.sum(1) @ torch.arange(64.0).double(), weight.sum(2) @ torch.arange(96.0).double()], 1
        )
        expected = maps.to_crop(centre.expand(3, 1, 2))[:, 0].double()
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


def test_mirrored_crops_are_mirror_images():
    given, maps = image(96, 64), CropMaps.of_boxes(torch.tensor([[0.0, 0.0, 64.0, 96.0]]), CROP)
    inner, flips = CropChanges(flip=1.0, scale=0.0, rotated=0.0).draw(1, CROP, torch.Generator())
    assert flips.all()
    torch.testing.assert_close(take_crops(given, maps.after(inner), CROP)[0], given.flip(2) / 255, rtol=0, atol=1e-5)


def test_changes_stay_within_their_bounds():
    inner, flips = CropChanges().draw(4000, CROP, torch.Generator().manual_seed(0))
    turn = inner[:, :, :2]
    scale = torch.linalg.det(turn).abs().sqrt()
    assert 0.75 - 1e-6 <= float(scale.min()) < 0.76
    assert 1.24 < float(scale.max()) <= 1.25 + 1e-6
    angle = torch.atan2(turn[:, 0, 1], turn[:, 1, 1]).abs()
    assert float(angle.max()) <= math.radians(60) + 1e-6
    assert float((angle > 1e-6).double().mean()) == pytest.approx(0.3, abs=0.03)
    assert float(flips.double().mean()) == pytest.approx(0.5, abs=0.03)
    assert torch.equal(torch.linalg.det(turn) < 0, flips)
    middle = torch.tensor([31.5, 47.5], dtype=torch.float64)
    torch.testing.assert_close(turn @ middle + inner[:, :, 2], middle.expand(4000, 2))


def test_imagenet_normalisation_is_that_of_its_means():
    grey = torch.tensor([0.485, 0.456, 0.406])[:, None, None].expand(1, 3, 4, 4)
    assert imagenet_normalised(grey).abs().max() < 1e-6
    torch.testing.assert_close(
        imagenet_normalised(torch.ones(1, 3, 1, 1)).flatten(), torch.tensor([2.2489, 2.4286, 2.6400]), rtol=0, atol=1e-4
    )


def test_a_person_far_outside_is_black():
    maps = CropMaps.of_boxes(torch.tensor([[9e5, -9e5, 50.0, 80.0]]), CROP)
    assert take_crops(image(50, 50), maps, CROP).abs().max() == 0
