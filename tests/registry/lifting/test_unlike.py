"""Warnings: planted and found, and none where nothing is wrong."""

import pytest
import torch

from poseplug.core.geometry.camera import Camera
from poseplug.core.models.input_range import InputRange
from poseplug.registry.lifting.views.unlike import outside_share, too_far_out, warnings


@pytest.fixture
def said(walking):
    """Warn of people that a function makes of three hundred good ones."""
    seen = InputRange.of(walking)

    def warn(change=lambda pixels: pixels, size=(1000.0, 1000.0), found=None, seen=seen, count=300):
        pixels = change(walking.joints_2d.double().clone())[:count]
        found = torch.ones(pixels.shape[:2], dtype=torch.bool) if found is None else found[:count]
        camera = Camera.shared(len(pixels), (1145.0, 1145.0), (500.0, 500.0), size)
        return warnings(pixels, found, camera, seen, walking.skeleton)

    return warn


def permuted(order):
    def change(pixels):
        return pixels[:, order]

    return change


def test_good_people_need_no_warning(said):
    assert said() == []
    assert said(lambda pixels: pixels * 0.4 + 300) == []  # smaller, elsewhere: for the view, not for a warning
    assert said(seen=None) == []
    assert said(count=3) == []


def test_joints_that_were_not_found_are_not_looked_at(said):
    found = torch.ones(300, 16, dtype=torch.bool)
    found[:, [2, 3, 12]] = False

    def change(pixels):
        pixels[:, [2, 3, 12]] = 0
        return pixels

    assert said(change, found=found) == []


def test_shares_of_the_image(said):
    (warning,) = said(lambda pixels: pixels / 1000)
    assert "look like shares of the image and not like pixels; multiply" in warning


def test_beyond_the_image(said):
    (warning,) = said(lambda pixels: pixels * 1.3, size=(640.0, 480.0))
    assert "beyond the right or lower edge of the image; give its true size with --size WxH" in warning


def test_before_the_image(said):
    (warning,) = said(lambda pixels: pixels - 1000)
    assert "beyond the left or upper edge of the image; count x and y in pixels from its upper left" in warning


def test_upside_down(said):
    (warning,) = said(lambda pixels: 1000 - pixels)
    assert "upside down" in warning
    assert "y must point down" in warning


def test_another_order_of_joints(said):
    order = torch.randperm(16, generator=torch.Generator().manual_seed(4)).tolist()
    (warning,) = said(permuted(order))
    assert "compare the order of the joints" in warning


def test_two_joints_exchanged(said, walking):
    order = list(range(16))
    a, b = (walking.skeleton.index(name) for name in ("RHip", "RFoot"))
    order[a], order[b] = b, a
    (warning,) = said(permuted(order))
    assert "Hip-RHip" in warning
    assert "longer or shorter than in training" in warning


def test_narrow_hips_are_a_body_and_no_other_order(said, walking):
    def narrow(pixels):
        hip = pixels[:, walking.skeleton.index("Hip"), None]
        sides = [walking.skeleton.index(name) for name in ("LHip", "RHip")]
        pixels[:, sides] = hip + (pixels[:, sides] - hip) * 0.3
        return pixels

    assert said(narrow) == []


def test_how_many_are_outside(walking):
    seen = InputRange.of(walking)
    found = torch.ones(300, 16, dtype=torch.bool)

    def share(pixels):
        return outside_share(pixels, found, walking.camera, seen, walking.skeleton)

    assert not too_far_out(share(walking.joints_2d))
    assert too_far_out(share(walking.joints_2d * 0.4))
