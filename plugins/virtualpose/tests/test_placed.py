import attrs
import pytest
import torch
from scene_kit import ROOT, distances, in_world, seeded, some_people

from poseplug.core.data.pose_batch import Origin
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.scenes.arrangement import root_in_image
from poseplug_virtualpose.scenes.placed import Placed


def placed(people, seed=0, **settings):
    return Placed(Placed.Config(**settings), BuildContext()).augment(people, seeded(seed)).batch


def test_people_become_scenes_in_their_order():
    people = attrs.evolve(some_people(12), weight=torch.linspace(0.1, 1.2, 12))
    made = placed(people, count=3, outside="keep")
    assert made.num_scenes == 4
    assert torch.equal(made.scene, torch.arange(4).repeat_interleave(3))
    assert torch.equal(made.weight, people.weight)
    assert made.labels.keys() == people.labels.keys()
    assert all(torch.equal(made.labels[name], people.labels[name]) for name in made.labels)
    assert (made.origin == int(Origin.AUGMENTED)).all()
    assert torch.allclose(bone_lengths(made.joints_3d, H36M_16), bone_lengths(people.joints_3d, H36M_16), atol=1e-5)
    height = people.camera.camera_to_world(people.joints_3d)[:, ROOT, 1]
    assert torch.allclose(in_world(made)[:, ROOT, 1], height, atol=1e-4)
    assert torch.equal(made.camera.project(made.joints_3d), made.joints_2d)
    assert distances(made, 3).min() >= 0.6 - 1e-4


@pytest.mark.parametrize("n", [1, 3, 10])
def test_the_last_scene_may_have_fewer(n):
    made = placed(some_people(n), count=4)
    assert len(made) == n
    assert made.num_scenes == -(-n // 4)
    assert torch.equal(made.scene, torch.arange(n) // 4)


def test_who_is_outside_counts_nothing():
    people = attrs.evolve(some_people(200), weight=torch.full((200,), 0.5))
    made, kept = (placed(people, focal=(3000.0, 3000.0), outside=outside) for outside in ("unweighted", "keep"))
    seen = root_in_image(made)
    assert 0 < seen.sum() < 200
    assert torch.equal(made.weight, 0.5 * seen)
    assert torch.equal(kept.weight, people.weight)
    assert torch.equal(made.joints_2d, kept.joints_2d)


def test_gradients_come_back_to_the_poses():
    people = some_people(8)
    joints = people.joints_3d.clone().requires_grad_()
    made = placed(attrs.evolve(people, joints_3d=joints))
    made.joints_2d.sum().backward()
    assert joints.grad.abs().sum(-1).min() > 0
    assert not made.scenes.camera.position.requires_grad


def test_whom_others_stood_with_is_forgotten():
    people = attrs.evolve(some_people(8), scene=torch.zeros(8, dtype=torch.int64)).gathered()
    made = placed(people, count=2)
    assert made.num_scenes == 4
