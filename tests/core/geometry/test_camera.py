import math

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.geometry.camera import Camera, look_at

# Human3.6M's four cameras: focal lengths and centre in pixels, k1 k2 k3 p1 p2, image size.
H36M = {
    "54138969": ((1145.0494, 1143.7811), (512.5415, 515.4515), (-0.207099, 0.247775, -0.003075, -0.000976, -0.001424)),
    "55011271": ((1149.6757, 1147.5917), (508.8486, 508.0649), (-0.194214, 0.240409, 0.006820, -0.001619, -0.002741)),
    "58860488": ((1149.1407, 1148.7990), (519.8159, 501.4026), (-0.208338, 0.255488, -0.002460, 0.001484, -0.000760)),
    "60457274": ((1145.5114, 1144.7739), (514.9682, 501.8820), (-0.198384, 0.218324, -0.008948, -0.000587, -0.001813)),
}
SIZE = (1000.0, 1002.0)


def h36m(name: str, n: int, distorted: bool = True) -> Camera:
    focal, centre, distortion = H36M[name]
    return Camera.shared(n, focal, centre, SIZE, distortion if distorted else None)


def scalar_projection(camera: tuple, point: list[float]) -> tuple[float, float]:
    """The formula of PoseAug's code base, a number at a time."""
    (fx, fy), (cx, cy), (k1, k2, k3, p1, p2) = camera
    x, y, z = point
    qx, qy = max(-1.0, min(1.0, x / z)), max(-1.0, min(1.0, y / z))
    r2 = qx**2 + qy**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    tangential = p1 * qx + p2 * qy
    return fx * (qx * (radial + tangential) + p1 * r2) + cx, fy * (qy * (radial + tangential) + p2 * r2) + cy


def points(n: int, joints: int = 16, seed: int = 0, spread: float = 0.8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, joints, 3, generator=generator) * spread * 0.5 + torch.tensor([0.0, 0.0, 5.0])


@pytest.mark.parametrize("name", H36M)
def test_projection_is_the_papers_formula(name: str) -> None:
    # A wide spread takes some of the points past the clamp at 45 degrees.
    world = points(20, spread=3.0)
    world[..., 2] = world[..., 2].abs() + 0.2
    assert ((world[..., :2] / world[..., 2:]).abs() > 1).any()
    found = h36m(name, 20).project(world)
    expected = [[scalar_projection(H36M[name], point) for point in pose] for pose in world.double().tolist()]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=1e-2)


def test_pinhole_projection_by_hand() -> None:
    camera = Camera.shared(1, (1000.0, 500.0), (320.0, 240.0), (640.0, 480.0))
    found = camera.project(torch.tensor([[[1.0, -2.0, 4.0], [0.0, 0.0, 3.0], [6.0, 0.0, 2.0]]]))
    # Without distortion nothing is clamped: the last point is 71 degrees off the axis.
    torch.testing.assert_close(found, torch.tensor([[[570.0, -10.0], [320.0, 240.0], [3320.0, 240.0]]]))


@pytest.mark.parametrize("distorted", [True, False])
@pytest.mark.parametrize("name", H36M)
def test_unproject_undoes_project(name: str, distorted: bool) -> None:
    camera = h36m(name, 50, distorted)
    original = points(50)
    found = camera.unproject(camera.project(original), original[..., 2])
    torch.testing.assert_close(found, original, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", H36M)
def test_unproject_reaches_the_corners_of_the_image(name: str) -> None:
    corners = torch.tensor([[[0.0, 0.0], [1000.0, 0.0], [0.0, 1002.0], [1000.0, 1002.0]]])
    camera = h36m(name, 1)
    seen = camera.project(camera.unproject(corners, torch.full((1, 4), 5.0)))
    torch.testing.assert_close(seen, corners, rtol=0, atol=1e-2)


@pytest.mark.parametrize("name", H36M)
def test_unproject_is_exact_up_to_45_degrees(name: str) -> None:
    angle, radius = torch.meshgrid(torch.linspace(0, 6.2, 40), torch.linspace(0, 1, 20), indexing="ij")
    directions = torch.stack([radius * angle.cos(), radius * angle.sin(), torch.ones_like(angle)], -1).reshape(1, -1, 3)
    camera = h36m(name, 1)
    found = camera.unproject(camera.project(directions), directions[..., 2])
    torch.testing.assert_close(found, directions, rtol=0, atol=1e-5)


def test_each_pose_has_its_own_camera() -> None:
    cameras = Camera.join([h36m(name, 1) for name in H36M])
    same = points(1).expand(4, -1, -1)
    found = cameras.project(same)
    for i, name in enumerate(H36M):
        torch.testing.assert_close(found[i : i + 1], h36m(name, 1).project(same[:1]))


def test_projection_passes_gradients() -> None:
    camera = Camera.shared(1, (1000.0, 1000.0), (0.0, 0.0), (1.0, 1.0))
    point = torch.tensor([[[1.0, 0.0, 4.0]]], requires_grad=True)
    camera.project(point)[0, 0, 0].backward()
    torch.testing.assert_close(point.grad, torch.tensor([[[250.0, 0.0, -62.5]]]))


def placed(n: int, seed: int = 0) -> tuple[Camera, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    placement = {
        "azimuth": uniform(-math.pi, math.pi),
        "elevation": uniform(-1.5, 1.5),
        "distance": uniform(0.5, 8.0),
        "target": torch.randn(n, 3, generator=generator),
    }
    rotation, position = look_at(**placement)
    camera = Camera.shared(n, (1000.0, 1000.0), (500.0, 400.0), (1000.0, 800.0))
    return attrs.evolve(camera, rotation=rotation, position=position), placement


def test_world_and_back() -> None:
    camera, _ = placed(50)
    world = points(50)
    torch.testing.assert_close(camera.camera_to_world(camera.world_to_camera(world)), world, rtol=0, atol=1e-5)


def test_world_to_camera_by_hand() -> None:
    # At +z, looking at the origin: the camera's right is the world's +x, its down the world's -y.
    rotation, position = look_at(torch.zeros(1), torch.zeros(1), torch.tensor([5.0]), torch.zeros(3))
    camera = attrs.evolve(h36m("54138969", 1), rotation=rotation, position=position)
    found = camera.world_to_camera(torch.tensor([[[0.3, 1.0, 2.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[0.3, -1.0, 3.0]]]))


@pytest.mark.parametrize("method", ["world_to_camera", "camera_to_world"])
def test_a_camera_without_extrinsics_has_no_world(method: str) -> None:
    with pytest.raises(ValueError, match="no extrinsics"):
        getattr(h36m("54138969", 1), method)(points(1))


def test_look_at_is_a_rotation() -> None:
    camera, _ = placed(100)
    product = camera.rotation @ camera.rotation.mT
    torch.testing.assert_close(product, torch.eye(3).expand(100, -1, -1), rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.linalg.det(camera.rotation), torch.ones(100))


def test_the_target_is_seen_in_the_centre_at_its_distance() -> None:
    camera, placement = placed(100)
    seen = camera.world_to_camera(placement["target"][:, None])
    torch.testing.assert_close(seen[:, 0, 2], placement["distance"], rtol=0, atol=1e-5)
    torch.testing.assert_close(camera.project(seen), camera.centre[:, None], rtol=0, atol=1e-1)


def test_up_is_up_and_there_is_no_roll() -> None:
    camera, placement = placed(100)
    above = placement["target"] + torch.tensor([0.0, 0.1, 0.0])
    low, high = camera.project(camera.world_to_camera(torch.stack([placement["target"], above], 1))).unbind(1)
    assert (high[:, 1] < low[:, 1]).all()
    torch.testing.assert_close(high[:, 0], low[:, 0], rtol=0, atol=1e-1)


@settings(max_examples=50, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-1.4, 1.4), st.floats(0.5, 10))
def test_the_placement_can_be_read_off_the_position(azimuth: float, elevation: float, distance: float) -> None:
    target = torch.tensor([0.2, 0.9, -0.3])
    _, position = look_at(*(torch.tensor([v]) for v in (azimuth, elevation, distance)), target)
    x, y, z = (position[0] - target).tolist()
    assert math.atan2(x, z) == pytest.approx(azimuth, abs=1e-4)
    assert math.atan2(y, math.hypot(x, z)) == pytest.approx(elevation, abs=1e-4)
    assert math.hypot(x, y, z) == pytest.approx(distance, rel=1e-4)


def test_shared_cameras_take_no_memory_per_pose() -> None:
    camera = h36m("54138969", 10_000)
    assert len(camera) == 10_000
    assert camera.focal.untyped_storage().nbytes() == 8


@pytest.mark.parametrize("name", H36M)
def test_a_mirrored_camera_sees_the_mirror_image(name: str) -> None:
    flip, joints = torch.tensor([-1.0, 1.0, 1.0]), points(20)
    lens = h36m(name, 20)
    rotation, position = look_at(torch.rand(20) * 6, torch.rand(20), 3 + torch.rand(20), torch.zeros(3))
    camera = attrs.evolve(lens, rotation=rotation, position=position)
    mirrored, world = camera.mirrored(), camera.camera_to_world(joints)
    width = torch.tensor([SIZE[0], 0.0])
    torch.testing.assert_close(
        mirrored.project(joints * flip), width + camera.project(joints) * flip[:2], atol=1e-3, rtol=0
    )
    torch.testing.assert_close(mirrored.world_to_camera(world * flip), joints * flip, atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored.camera_to_world(mirrored.world_to_camera(world)), world, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(mirrored.rotation), torch.ones(20))
    for field in attrs.fields(Camera):
        twice = getattr(mirrored.mirrored(), field.name)
        torch.testing.assert_close(twice, getattr(camera, field.name), atol=1e-4, rtol=0)


def test_a_mirrored_camera_without_distortion_and_world_has_none_either() -> None:
    mirrored = h36m("54138969", 2, distorted=False).mirrored()
    assert (mirrored.distortion, mirrored.rotation, mirrored.position) == (None, None, None)


def test_cameras_without_distortion_join_those_with_some() -> None:
    plain = Camera.shared(2, (1000.0, 1000.0), (500.0, 400.0), (1000.0, 800.0))
    bent = Camera.shared(3, (900.0, 900.0), (500.0, 400.0), (1000.0, 800.0), (-0.3, 0.1, 0.0, 0.01, 0.0))
    points = torch.tensor([[[0.3, -0.2, 2.0], [-0.5, 0.4, 3.0]]]).expand(5, -1, -1)
    both = Camera.join([plain, bent])
    apart = torch.cat([plain.project(points[:2]), bent.project(points[2:])])
    torch.testing.assert_close(both.project(points), apart)
    assert Camera.join([plain, plain]).distortion is None
