import math

import pytest
import torch

from poseplug.core.data.pose_batch import Origin
from poseplug.core.geometry.layouts import H36M_16
from poseplug_datasets.viewing import ViewedPoses, ViewSettings, WorldPoses

COUNT = 50


@pytest.fixture
def world():
    generator = torch.Generator().manual_seed(3)
    joints = torch.randn(COUNT, 16, 3, generator=generator) * 0.3 + torch.tensor([7.0, 0.9, -4.0])
    labels = {"action": torch.arange(COUNT)}
    return WorldPoses(H36M_16, joints, labels, {"action": tuple(map(str, range(COUNT)))})


def draw(source, n=64, seed=1):
    return source.sample(n, torch.Generator().manual_seed(seed))


def shape(joints):
    """All distances between joints: what no change of place or view alters."""
    return torch.cdist(joints.double(), joints.double())


@pytest.mark.parametrize("cameras", ["h36m", "random"])
class TestBothCameras:
    def test_people_keep_their_shape_and_labels(self, world, cameras):
        source = ViewedPoses(world, ViewSettings(cameras=cameras))
        for batch in (draw(source), *source.batches(32)):
            expected = shape(world.joints[batch.labels["action"]])
            torch.testing.assert_close(shape(batch.joints_3d), expected, rtol=0, atol=1e-5)
            torch.testing.assert_close(batch.joints_2d, batch.camera.project(batch.joints_3d))
            assert batch.origin.tolist() == [Origin.CAPTURED] * len(batch)
            assert batch.labels["action"].dtype == torch.int64

    def test_people_stay_upright_near_the_origin(self, world, cameras):
        source = ViewedPoses(world, ViewSettings(cameras=cameras))
        batch = draw(source, 4000)
        seen = batch.camera.camera_to_world(batch.joints_3d)
        original = world.joints[batch.labels["action"]]
        torch.testing.assert_close(seen[..., 1], original[..., 1], rtol=0, atol=1e-5)
        place = seen[:, 0, [0, 2]]
        assert torch.allclose(place.mean(0), torch.zeros(2), atol=0.03)
        assert torch.allclose(place.std(0), torch.full((2,), 0.4), atol=0.03)
        assert float(place.abs().max()) <= 1.2 + 1e-5

    def test_equal_seeds_give_equal_poses(self, world, cameras):
        source = ViewedPoses(world, ViewSettings(cameras=cameras, noise=2.0))
        first, again, other = draw(source), draw(source), draw(source, seed=2)
        assert torch.equal(first.joints_2d, again.joints_2d)
        assert torch.equal(first.joints_3d, again.joints_3d)
        assert not torch.equal(first.joints_3d, other.joints_3d)

    @pytest.mark.parametrize("noise", [0.0, 3.0])
    def test_evaluation_is_the_same_in_pieces_of_any_size_and_every_time(self, world, cameras, noise):
        settings = ViewSettings(cameras=cameras, noise=noise)
        source = ViewedPoses(world, settings)
        draw(source)
        whole = next(iter(source.batches(10_000)))
        parts = list(ViewedPoses(world, settings).batches(7))
        assert len(whole) == len(source) == sum(len(part) for part in parts)
        assert torch.equal(torch.cat([part.joints_2d for part in parts]), whole.joints_2d)
        assert torch.equal(torch.cat([part.joints_3d for part in parts]), whole.joints_3d)

    def test_noise_is_gaussian_and_moves_the_pixels_only(self, world, cameras):
        clean, noisy = (ViewedPoses(world, ViewSettings(cameras=cameras, noise=noise)) for noise in (0.0, 5.0))
        batch = draw(noisy, 2000)
        error = batch.joints_2d - batch.camera.project(batch.joints_3d)
        assert float(error.std()) == pytest.approx(5, rel=0.03)
        assert float(error.mean()) == pytest.approx(0, abs=0.1)
        for one, other in zip(clean.batches(64), noisy.batches(64), strict=True):
            assert torch.equal(one.joints_3d, other.joints_3d)
            assert float((one.joints_2d - other.joints_2d).std()) == pytest.approx(5, rel=0.2)


def angles(batch):
    """Azimuth, elevation and distance of the cameras from the point 0.9 m above the origin."""
    x, y, z = (batch.camera.position - torch.tensor([0.0, 0.9, 0.0])).unbind(-1)
    distance = (x**2 + y**2 + z**2).sqrt()
    return torch.atan2(x, z) % (2 * math.pi), torch.asin(y / distance), distance


def test_the_fixed_cameras_are_the_benchmarks(world):
    source = ViewedPoses(world, ViewSettings())
    whole = next(iter(source.batches(10_000)))
    assert len(source) == 4 * COUNT
    assert whole.labels["action"].tolist() == list(range(COUNT)) * 4
    azimuth, elevation, distance = (values.view(4, COUNT) for values in angles(whole))
    columns = (
        torch.tensor([0.9, 2.3, 4.0, 5.4]),
        torch.tensor([0.12, 0.10, 0.13, 0.09]),
        torch.tensor([5.2, 5.5, 5.0, 5.4]),
    )
    for found, expected in zip((azimuth, elevation, distance), columns, strict=True):
        torch.testing.assert_close(found, expected[:, None].expand(4, COUNT), rtol=1e-5, atol=1e-5)
    assert torch.equal(whole.camera.focal, torch.full((4 * COUNT, 2), 1145.0))
    assert torch.equal(whole.camera.centre, torch.full((4 * COUNT, 2), 500.0))
    assert whole.camera.distortion is None
    # The same person, seen from four sides, stands in one place.
    places = whole.camera.camera_to_world(whole.joints_3d).view(4, COUNT, 16, 3)
    torch.testing.assert_close(places, places[:1].expand(4, -1, -1, -1), rtol=0, atol=1e-5)


def test_sampling_uses_all_fixed_cameras_and_all_poses(world):
    batch = draw(ViewedPoses(world, ViewSettings()), 4000)
    share = torch.bincount((angles(batch)[0] * 10).round().long())[[9, 23, 40, 54]] / 4000
    torch.testing.assert_close(share, torch.full((4,), 0.25), rtol=0, atol=0.03)
    assert len(batch.labels["action"].unique()) == COUNT


def test_random_cameras_fill_their_ranges(world):
    source = ViewedPoses(world, ViewSettings(cameras="random"))
    assert len(source) == COUNT
    for found, low, high in zip(angles(draw(source, 4000)), (0, -0.17, 2.8), (2 * math.pi, 0.78, 6.8), strict=True):
        assert low - 1e-4 <= float(found.min()) < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < float(found.max()) <= high + 1e-4
        assert float(found.mean()) == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_the_ranges_are_settings(world):
    settings = ViewSettings(cameras="random", azimuth=(1.0, 1.5), elevation=(0.2, 0.3), distance=(4.0, 4.0))
    azimuth, elevation, distance = angles(draw(ViewedPoses(world, settings)))
    assert 1 <= float(azimuth.min()) < float(azimuth.max()) <= 1.5
    assert 0.2 - 1e-5 <= float(elevation.min()) < float(elevation.max()) <= 0.3 + 1e-5
    torch.testing.assert_close(distance, torch.full_like(distance, 4))


def test_nobody_stands_behind_a_camera(world):
    tall = torch.zeros(1, 16, 3)
    tall[0, :, 1] = torch.linspace(0, 2.3, 16)
    people = WorldPoses(H36M_16, tall, {}, {})
    batch = draw(ViewedPoses(people, ViewSettings(cameras="random", distance=(2.5, 2.5))), 20_000)
    assert float(batch.joints_3d[..., 2].min()) > 0.1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("azimuth", (2.0, 1.0)),
        ("elevation", (0.0, 1.6)),
        ("distance", (1.0, 3.0)),
        ("noise", -1.0),
        ("cameras", "four"),
    ],
)
def test_bad_settings_are_refused(setting, value):
    with pytest.raises(ValueError, match="must"):
        ViewSettings(**{setting: value})


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("cameras", ["h36m", "random"])
def test_cuda_sampling_never_waits_for_the_device(world, cameras):
    on_device = WorldPoses(H36M_16, world.joints.cuda(), {"action": world.labels["action"].cuda()}, {})
    source = ViewedPoses(on_device, ViewSettings(cameras=cameras, noise=1.0))
    generator = torch.Generator("cuda").manual_seed(0)
    source.sample(64, generator)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = source.sample(64, generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.device.type == "cuda"
    for there, here in zip(
        source.batches(64), ViewedPoses(world, ViewSettings(cameras=cameras, noise=1.0)).batches(64), strict=True
    ):
        torch.testing.assert_close(there.joints_2d.cpu(), here.joints_2d, rtol=1e-4, atol=0.02)
