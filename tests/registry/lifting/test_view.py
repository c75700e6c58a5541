"""The camera that is turned towards a person: it shows the same rays, and forgets where in the image they were."""

import math

import pytest
import torch

from poseplug.core.geometry.camera import Camera
from poseplug.core.models.input_range import InputRange
from poseplug.registry.lifting.views.place import estimated_roots
from poseplug.registry.lifting.views.view import centred, turned_back, turned_towards

FULL_HD = ((1500.0, 1400.0), (900.0, 560.0), (1920.0, 1080.0))


def full_hd(joints):
    return Camera(*(torch.tensor([values], dtype=torch.float64).expand(len(joints), 2) for values in FULL_HD))


def about_y(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0.0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)


@pytest.fixture
def people(walking):
    """Absolute joints in double precision, all found; and what training saw."""
    joints = walking.absolute.double()
    return joints, torch.ones(joints.shape[:2], dtype=torch.bool), InputRange.of(walking)


def test_turned_cameras_see_what_a_true_camera_there_would(people, walking):
    joints, found, seen = people
    camera = full_hd(joints)
    shown, turned, rotation = centred(camera.project(joints), found, camera, seen, walking.skeleton)
    in_turned_frame = joints @ rotation.mT
    assert torch.allclose(turned.project(in_turned_frame), shown, atol=1e-8)
    assert torch.allclose(turned_back(in_turned_frame, rotation), joints, atol=1e-12)
    size = seen.sizes(shown / max(seen.image), found, walking.skeleton)
    assert torch.allclose(size, torch.full_like(size, seen.size[1]))
    assert not seen.outside(shown, found, turned.size, walking.skeleton).any()


def test_where_a_person_was_in_the_image_makes_no_difference(people, walking):
    joints, found, seen = people
    camera = full_hd(joints)
    there = joints @ about_y(0.35).T
    shown = [centred(camera.project(j), found, camera, seen, walking.skeleton)[0] for j in (joints, there)]
    assert torch.allclose(*shown, atol=1e-8)
    assert (camera.project(there) - camera.project(joints))[..., 0].abs().min() > 300


def test_rotations_are_level_and_look_along_their_direction():
    direction = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=-1)
    rotation = turned_towards(direction)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand(50, 3, 3), atol=1e-12)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(50, dtype=torch.float64))
    assert torch.allclose((rotation @ direction[..., None])[..., 0], torch.tensor([0.0, 0.0, 1.0]).double(), atol=1e-12)
    assert (rotation[:, 0, 1] == 0).all()  # right has no part that points down
    assert (rotation[:, 1, 1] > 0).all()


def test_joints_that_were_not_found_do_not_move_the_camera(people, walking):
    joints, found, seen = people
    camera = full_hd(joints)
    pixels = camera.project(joints)
    found = found.clone()
    found[:, 3] = False
    strayed = pixels.clone()
    strayed[:, 3] = 0
    a = centred(pixels, found, camera, seen, walking.skeleton)
    b = centred(strayed, found, camera, seen, walking.skeleton)
    assert torch.equal(a[2], b[2])
    assert torch.equal(a[1].focal, b[1].focal)


def test_roots_of_true_poses_are_found_exactly(people, walking):
    joints, found, _ = people
    camera = full_hd(joints)
    root = joints[:, :1]
    pixels = camera.project(joints)
    found = found.clone()
    found[::2, 5:] = False
    pixels[::2, 5:] = 0
    assert torch.allclose(estimated_roots(joints - root, pixels, found, camera), root[:, 0], atol=1e-6)


def test_nobody_stands_behind_the_camera(walking):
    pixels = walking.joints_2d
    mirrored = -walking.root_relative  # the image could only be made from behind
    roots = estimated_roots(mirrored, pixels, torch.ones_like(pixels[..., 0], dtype=torch.bool), walking.camera)
    assert (roots[:, 2] > 1).all()
    # As large as they look: a line across both bodies is as long.
    width = walking.root_relative[..., 0].std(1) * walking.camera.focal[:, 0] / roots[:, 2]
    assert torch.allclose(width.mean(), pixels[..., 0].std(1).mean(), rtol=0.1)
