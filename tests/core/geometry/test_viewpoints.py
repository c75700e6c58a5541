import math

import pytest
import torch

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.viewpoints import ViewRange, around_origin, fixed_cameras

TARGET = torch.tensor([0.0, 0.9, 0.0])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def placement(camera: Camera) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Azimuth in [0, 2 pi), elevation and distance, from the positions."""
    x, y, z = (camera.position - TARGET).unbind(-1)
    return torch.atan2(x, z) % (2 * math.pi), torch.atan2(y, torch.hypot(x, z)), (camera.position - TARGET).norm(dim=-1)


def test_fixed_cameras_are_the_benchmarks() -> None:
    found = placement(fixed_cameras())
    torch.testing.assert_close(found[0], torch.tensor([0.9, 2.3, 4.0, 5.4]))
    torch.testing.assert_close(found[1], torch.tensor([0.12, 0.10, 0.13, 0.09]))
    torch.testing.assert_close(found[2], torch.tensor([5.2, 5.5, 5.0, 5.4]))


@pytest.mark.parametrize("camera", [fixed_cameras(), ViewRange().sample(50, seeded(0))])
def test_cameras_look_at_the_person(camera: Camera) -> None:
    n = len(camera)
    seen = camera.world_to_camera(TARGET.expand(n, 1, 3))
    torch.testing.assert_close(camera.project(seen), torch.full((n, 1, 2), 500.0), rtol=0, atol=1e-2)
    assert camera.distortion is None
    assert camera.size.tolist() == [[1000.0, 1000.0]] * n
    assert camera.focal.tolist() == [[1145.0, 1145.0]] * n


def test_view_range_is_uniform_in_its_ranges() -> None:
    n = 20_000
    for values, (low, high) in zip(
        placement(ViewRange().sample(n, seeded(0))), ((0, 2 * math.pi), (-0.17, 0.78), (2.8, 6.8)), strict=True
    ):
        assert values.min() >= low - 1e-4
        assert values.max() <= high + 1e-4
        counts = torch.histc(values, 10, low, high)
        # Standard deviation of each count is 42.
        assert (counts - n / 10).abs().max() < 5 * 42


def test_view_range_can_be_narrowed() -> None:
    camera = ViewRange(azimuth=(1.0, 1.0), elevation=(0.2, 0.2), distance=(3.0, 3.0)).sample(3, seeded(0))
    azimuth, elevation, distance = placement(camera)
    torch.testing.assert_close(azimuth, torch.full((3,), 1.0))
    torch.testing.assert_close(elevation, torch.full((3,), 0.2))
    torch.testing.assert_close(distance, torch.full((3,), 3.0))


def test_equal_seeds_give_equal_views() -> None:
    one, same, other = (ViewRange().sample(10, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.position, same.position)
    assert torch.equal(one.rotation, same.rotation)
    assert not torch.equal(one.position, other.position)


@pytest.mark.parametrize("root", [0, 2])
def test_around_origin_scatters_roots_on_the_ground(root: int) -> None:
    world = torch.randn(20_000, 3, 3, generator=seeded(0)) + torch.tensor([7.0, 1.0, -3.0])
    moved = around_origin(world, root, seeded(1))
    x, y, z = moved[:, root].unbind(-1)
    for axis in (x, z):
        # Standard errors: 0.0028 of the mean, 0.002 of the standard deviation.
        assert abs(axis.mean()) < 0.014
        assert axis.std() == pytest.approx(0.4, abs=0.01)
        assert 1.1 < axis.abs().max() < 1.2001, "cut off at three deviations"
    assert abs(torch.corrcoef(torch.stack([x, z]))[0, 1]) < 0.035
    assert torch.equal(y, world[:, root, 1])
    torch.testing.assert_close(moved - moved[:, :1], world - world[:, :1], rtol=0, atol=1e-5)


def test_around_origin_with_another_spread() -> None:
    world = torch.randn(10, 4, 3, generator=seeded(0))
    moved = around_origin(world, 0, seeded(1), spread=0.0)
    torch.testing.assert_close(moved[:, 0, [0, 2]], torch.zeros(10, 2))
    assert torch.equal(around_origin(world, 0, seeded(1)), around_origin(world, 0, seeded(1)))
