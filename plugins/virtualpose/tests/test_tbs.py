"""Depth from the size of boxes, in closed form and against crops taken cell by cell."""

import math

import pytest
import torch
from drawn_maps import inputs_of, scenes_of

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.roots.given_people import Given
from poseplug_virtualpose.roots.tbs import TBS

CONTEXT = BuildContext(skeleton=H36M_16)
# Joints that span it fill a square of 2 m, once the box has its margins and its padding.
TALL = 2 / 1.25 / 1.24


def frontal(depths, height=TALL, per_scene=1):
    """Flat people who face the camera, each as high as said and half as wide, the root in the middle of all joints."""
    offsets = torch.linspace(-0.5, 0.5, 16)
    joints = torch.stack([offsets.flip(0) * 0.5 * height, offsets * height, torch.zeros(16)], -1)
    joints = joints - joints[H36M_16.root]
    return scenes_of(joints + torch.tensor([[[0.0, 0.0, depth]] for depth in depths]), per_scene)


def tbs(**settings):
    return TBS(TBS.Config(channels=4, crop=16, **settings), CONTEXT).eval()


def test_untrained_it_says_how_far_someone_who_fills_two_metres_is():
    batch = frontal([4.5, 5.0, 9.0])
    torch.testing.assert_close(tbs()(**inputs_of(batch, TBS.reads)), batch.root, rtol=1e-4, atol=1e-4)
    small = frontal([4.5, 5.0, 9.0], height=TALL / 2)
    depths = tbs()(**inputs_of(small, TBS.reads))[:, 2]
    torch.testing.assert_close(depths, torch.tensor([9.0, 10.0, 18.0]), rtol=1e-4, atol=1e-4)


def test_how_fine_maps_are_does_not_matter():
    batch = frontal([4.0])
    coarse, fine = (tbs()(**inputs_of(batch, TBS.reads, height=h, width=w)) for h, w in ((16, 30), (64, 200)))
    torch.testing.assert_close(coarse, fine, rtol=1e-4, atol=1e-4)


def test_a_factor_of_k_is_a_factor_of_the_depth():
    batch, estimator = frontal([5.0, 6.0]), tbs()
    torch.nn.init.constant_(estimator.factor.bias, math.log(math.exp(0.5) - 1))
    roots = estimator(**inputs_of(batch, TBS.reads))
    torch.testing.assert_close(roots[:, 2], torch.tensor([2.5, 3.0]), rtol=1e-4, atol=1e-4)


def sampled(maps, x, y):
    """Bilinear samples [J] of maps [J, h, w] at one place, whose cells' centres are at halves; 0 outside."""
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    total = torch.zeros(len(maps))
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < maps.shape[1] and 0 <= column < maps.shape[2]:
                total += (1 - abs(x - 0.5 - column)) * (1 - abs(y - 0.5 - row)) * maps[:, row, column]
    return total


@pytest.mark.parametrize("boxed", [True, False])
def test_crops_show_a_persons_square(boxed):
    joints = torch.randn(4, 16, 3, generator=torch.Generator().manual_seed(3)) * 0.4 + torch.tensor([0.0, 0.0, 4.0])
    joints[1] += torch.tensor([2.5, 0.0, 0.0])  # at the right edge: the square goes beyond the canvas
    batch = scenes_of(joints, 2)
    estimator = tbs(boxed=boxed)
    given = Given.of(H36M_16.root, **inputs_of(batch, TBS.reads))
    crops = estimator.crops(given)
    assert crops.shape == (4, 16, 16, 16)
    for person, row, column in ((0, 3, 8), (0, 8, 8), (1, 7, 6), (1, 8, 15), (2, 9, 9), (3, 0, 0), (3, 10, 5)):
        side = 1.25 * float((given.high - given.low)[person].max())
        x, y = (
            float(given.middle[person, axis]) + ((at + 0.5) / 16 - 0.5) * side for axis, at in enumerate((column, row))
        )
        (left, top), (right, bottom) = given.low[person].tolist(), given.high[person].tolist()
        inside = left <= x <= right and top <= y <= bottom
        expected = sampled(given.maps.heatmaps[person // 2], x, y) * (inside or not boxed)
        torch.testing.assert_close(crops[person, :, row, column], expected, atol=1e-5, rtol=1e-4)
    assert crops[0, :, 8, 8].max() > 0


def test_bad_crops_are_named():
    with pytest.raises(ValueError, match="must be 16, 32 or 64, got 48"):
        TBS.Config(crop=48)
