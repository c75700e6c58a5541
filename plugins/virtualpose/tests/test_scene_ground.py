import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_kit import ROOT, seeded, some_people

from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16
from poseplug_virtualpose.scenes.ground import ANKLE_HEIGHT, TRIES, places, turned, upright


def one_after_the_other(drawn, people, spacing):
    """Place people as the released code does: the next drawn place that is far enough from all who stand."""
    taken, tried = [], iter(drawn.tolist())
    while len(taken) < people:
        place = next(tried, None)
        if place is None:
            return None
        if all(math.dist(place, other) >= spacing for other in taken):
            taken.append(place)
    return torch.tensor(taken)


@settings(max_examples=40, deadline=None)
@given(
    people=st.integers(1, 6),
    spread=st.floats(0.1, 3),
    spacing=st.floats(0, 1.5),
    seed=st.integers(0, 1000),
)
def test_places_are_those_of_drawing_one_after_the_other(people, spread, spacing, seed):
    found = places(5, people, spread, spacing, seeded(seed))
    drawn = torch.rand(5, TRIES, 2, generator=seeded(seed)) * (2 * spread) - spread
    assert found.shape == (5, people, 3)
    assert (found[..., 1] == 0).all()
    assert found.abs().max() <= spread
    for scene in range(5):
        expected = one_after_the_other(drawn[scene], people, spacing)
        if expected is not None:
            assert torch.equal(found[scene][:, [0, 2]], expected)


def test_where_nobody_fits_the_furthest_place_is_taken():
    found = places(3, 2, 0.5, 5.0, seeded(3))[..., [0, 2]]
    drawn = torch.rand(3, TRIES, 2, generator=seeded(3)) - 0.5
    for scene in range(3):
        first = drawn[scene, 0]
        furthest = max(drawn[scene].tolist(), key=lambda place: math.dist(place, first.tolist()))
        assert torch.equal(found[scene, 0], first)
        assert found[scene, 1].tolist() == pytest.approx(furthest, abs=1e-6)


def test_people_of_a_world_keep_their_height():
    people = some_people()
    world = people.camera.camera_to_world(people.joints_3d)
    found = upright(people, stand=False)
    assert torch.equal(found[..., 1], world[..., 1])
    assert (found[:, ROOT, [0, 2]] == 0).all()
    assert torch.allclose(found - found[:, :1], world - world[:, :1], atol=1e-6)


@pytest.mark.parametrize("world", [True, False])
def test_who_stands_has_an_ankle_near_the_ground(world):
    people = some_people(world=world)
    found = upright(people, stand=world)
    assert found[..., 1].amin(1).tolist() == pytest.approx([ANKLE_HEIGHT] * len(people), abs=1e-5)
    assert torch.allclose(bone_lengths(found, H36M_16), bone_lengths(people.joints_3d, H36M_16), atol=1e-5)


def test_without_a_world_the_image_is_upright():
    people = some_people(world=False)
    found = upright(people, stand=False)
    relative = people.root_relative
    assert torch.allclose((found - found[:, ROOT, None])[..., 0], relative[..., 0], atol=1e-6)
    assert torch.allclose((found - found[:, ROOT, None])[..., 1:], -relative[..., 1:], atol=1e-6)


def test_turning_is_about_the_vertical_and_to_all_sides():
    joints = torch.tensor([[0.0, 1.0, 0.0], [0.5, 2.0, 0.0]]).expand(4000, 2, 3)
    found = turned(joints, seeded())
    assert torch.equal(found[:, 0], joints[:, 0])
    assert torch.equal(found[..., 1], joints[..., 1])
    assert torch.allclose(torch.linalg.vector_norm(found[:, 1, [0, 2]], dim=-1), torch.tensor(0.5), atol=1e-6)
    angle = torch.atan2(found[:, 1, 0], found[:, 1, 2])
    eighths = torch.histc(angle, 8, -math.pi, math.pi)
    assert (eighths - 500).abs().max() < 120


def test_turning_is_no_mirror():
    x, y, z = torch.eye(3)
    found = turned(torch.stack([x, y, z]).expand(10, 3, 3), seeded())
    assert torch.allclose(torch.linalg.det(found), torch.ones(10), atol=1e-6)
