from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_poseaug.augmentor import LearnedAugmentation, PoseAug, PoseAugConfig

People = Callable[..., PoseBatch]
TWINS = [(0, 3), (1, 4), (2, 5), (9, 12), (10, 13), (11, 14)]

test_the_conformance_kit = conformance_tests("augmentor", PoseAug)


def build(skeleton: Skeleton = H36M_16, **settings: Any) -> PoseAug:
    return PoseAug(PoseAugConfig(**settings), BuildContext(skeleton=skeleton))


def augment(part: PoseAug, batch: PoseBatch, seed: int = 1) -> LearnedAugmentation:
    return part.augment(batch, torch.Generator().manual_seed(seed))


def silenced(part: PoseAug, *names: str) -> PoseAug:
    """The augmentor with networks that say zero, whatever they see."""
    for name in names:
        for parameter in part.networks[name][-1].parameters():
            torch.nn.init.zeros_(parameter)
    return part


def test_parameters_are_those_of_the_paper() -> None:
    sizes = {name: sum(p.numel() for p in net.parameters()) for name, net in build().networks.items()}
    assert sizes["angle"] == 302_125
    assert sizes["length"] == 296_713
    assert sizes["rotation"] + sizes["translation"] == 582_662
    assert sum(p.numel() for p in build().parameters()) == 1_181_500


def test_without_operators_nothing_changes(people: People) -> None:
    batch = people(20)
    made = augment(build(bone_angle=False, bone_length=False, rigid=False), batch)
    assert not list(build(bone_angle=False, bone_length=False, rigid=False).parameters())
    for poses in (made.batch, *made.stages.values()):
        assert torch.equal(poses.absolute, batch.absolute)
        assert torch.equal(poses.joints_2d, batch.joints_2d)


def test_networks_that_say_nothing_change_nothing(people: People) -> None:
    batch = people(20)
    part = silenced(build(rigid=False), "angle", "length")
    made = augment(part, batch)
    torch.testing.assert_close(made.stages["final"].absolute, batch.absolute, rtol=0, atol=2e-6)
    torch.testing.assert_close(made.stages["bones"].absolute, batch.absolute, rtol=0, atol=2e-6)
    assert made.turn is not None
    assert made.turn.abs().max() < 1e-6
    assert made.ratios is not None
    assert not made.ratios.any()


def test_bones_turn_and_keep_their_lengths_and_the_trunk_its_direction(people: People) -> None:
    batch = people(30)
    made = augment(build(), batch)
    bones = made.stages["bones"]
    torch.testing.assert_close(
        bone_lengths(bones.absolute, H36M_16), bone_lengths(batch.absolute, H36M_16), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(bones.root, batch.root)
    before, after = (torch.nn.functional.normalize(bone_vectors(b.absolute, H36M_16), dim=-1) for b in (batch, bones))
    cosine = (before * after).sum(-1)
    assert made.turn is not None
    torch.testing.assert_close(1 - cosine, made.turn, rtol=0, atol=1e-5)
    assert made.turn[:, [6, 7]].abs().max() < 1e-6
    assert (cosine[:, [0, 8, 9]] < 0.99).any(0).all()
    free = augment(build(freeze_trunk=False), batch).turn
    assert free is not None
    assert (free[:, [6, 7]] > 0.01).any(0).all()


def test_bones_are_scaled_by_exactly_what_was_said_left_like_right(people: People) -> None:
    batch = people(40)
    made = augment(build(bone_angle=False), batch)
    before, after = (bone_lengths(b.absolute, H36M_16) for b in (batch, made.stages["final"]))
    assert made.ratios is not None
    torch.testing.assert_close(after, before * (1 + made.ratios), rtol=1e-4, atol=1e-5)
    assert made.ratios.abs().max() <= 0.2
    assert (made.ratios.abs().amax(0) > 0.02).sum() == 14
    assert not made.ratios[:, 7].any()  # spine to thorax, which fixes the scale
    assert all(torch.equal(made.ratios[:, a], made.ratios[:, b]) for a, b in TWINS)


def test_the_body_moves_rigidly_to_a_place_before_the_camera(people: People) -> None:
    batch = people(30)
    made = augment(build(bone_angle=False, bone_length=False), batch)
    final = made.stages["final"]

    def distances(joints: torch.Tensor) -> torch.Tensor:
        return (joints[:, :, None] - joints[:, None]).square().sum(-1)

    torch.testing.assert_close(distances(final.absolute), distances(batch.absolute), rtol=1e-3, atol=1e-5)
    assert (final.root[:, 2] >= 0).all()
    assert not torch.allclose(final.root, batch.root, atol=0.1)
    # The handedness stays: the triple product of three bones keeps its sign.
    triple = [torch.linalg.det(bone_vectors(b.absolute, H36M_16)[:, [6, 9, 1]]) for b in (batch, final)]
    torch.testing.assert_close(triple[0], triple[1], rtol=1e-3, atol=1e-6)


def test_poses_are_projected_by_their_own_camera_with_its_distortion(people: People) -> None:
    batch = people(60)
    stages = augment(build(), batch).stages
    bones = stages["bones"]
    assert torch.equal(bones.camera.focal, batch.camera.focal)
    torch.testing.assert_close(bones.joints_2d, batch.camera.project(bones.absolute))
    assert bones.origin is not None
    assert (bones.origin == Origin.AUGMENTED).all()
    final = stages["final"]
    far = final.absolute[..., 2].abs().amin(1) > 1e-3
    torch.testing.assert_close(final.joints_2d[far], batch.camera.project(final.absolute)[far])
    assert torch.equal(bones.labels["action"], batch.labels["action"])


def test_a_moved_camera_finds_the_body_where_it_was_in_the_world(people: People) -> None:
    batch = people(30)
    final = augment(build(bone_angle=False, bone_length=False), batch).stages["final"]
    torch.testing.assert_close(
        final.camera.camera_to_world(final.absolute), batch.camera.camera_to_world(batch.absolute), rtol=0, atol=1e-4
    )
    assert final.camera.rotation is not None
    assert not final.camera.rotation.requires_grad
    alone = attrs.evolve(batch, camera=attrs.evolve(batch.camera, rotation=None, position=None))
    assert augment(build(), alone).stages["final"].camera.rotation is None


def test_new_cameras_are_pinholes_within_the_range(people: People) -> None:
    batch = people(200)
    final = augment(build(cameras="new", focal=(2.0, 3.0), rigid=False), batch).stages["final"]
    halves = final.camera.focal / (batch.camera.size.amax(-1, keepdim=True) / 2)
    assert halves.amin() > 2
    assert halves.amax() < 3
    assert halves.std() > 0.2
    assert final.camera.distortion is not None
    assert not final.camera.distortion.any()
    torch.testing.assert_close(final.joints_2d, final.camera.project(final.absolute))
    assert torch.equal(final.camera.size, batch.camera.size)


@pytest.mark.parametrize("distorted", [True, False])
def test_a_joint_in_the_plane_of_the_camera_does_no_harm(people: People, distorted: bool) -> None:
    batch = people(4, distorted=distorted)
    part = silenced(build(bone_angle=False, bone_length=False), "rotation", "translation")
    centred = batch.root_relative
    centred[:, 1:, 2] = 0.0  # turned by nothing and placed at the origin: all joints lie in the plane
    made = augment(part, attrs.evolve(batch, joints_3d=centred))
    assert made.stages["final"].joints_2d.isfinite().all()
    made.stages["final"].joints_2d.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in part.parameters())


def test_poses_out_of_view_are_not_accepted_and_stay_as_they_were(people: People) -> None:
    batch = people(200)
    torch.manual_seed(1)
    made = augment(build(), batch)
    final = made.stages["final"]
    assert made.accepted is not None
    expected = [bool((row <= 1).all()) for row in screen_coordinates(final.joints_2d, batch.camera.size)]
    assert made.accepted.tolist() == expected
    assert 0 < sum(expected) < 200
    for name in ("joints_3d", "joints_2d"):
        found, new, old = (getattr(b, name) for b in (made.batch, final, batch))
        assert torch.equal(found[made.accepted], new[made.accepted])
        assert torch.equal(found[~made.accepted], old[~made.accepted])
    torch.manual_seed(1)
    both = augment(build(accept="two_sided"), batch)
    screen = screen_coordinates(final.joints_2d, batch.camera.size)
    strict = [bool((r.abs() <= 1).all() and (z > 0).all()) for r, z in zip(screen, final.absolute[..., 2], strict=True)]
    assert both.accepted is not None
    assert both.accepted.tolist() == strict
    assert 0 < sum(strict) < sum(expected)


def test_every_network_draws_noise_of_its_own(people: People) -> None:
    part, batch = build(), people(16)
    part.networks["translation"].load_state_dict(part.networks["rotation"].state_dict())
    says = part._ask(batch, torch.Generator().manual_seed(1))
    assert not torch.allclose(says["rotation"], says["translation"])
    quiet = build(noise=0.0)
    quiet.networks["translation"].load_state_dict(quiet.networks["rotation"].state_dict())
    says = quiet._ask(batch, torch.Generator().manual_seed(1))
    assert torch.equal(says["rotation"], says["translation"])


def test_it_normalises_by_the_batch_in_evaluation_too(people: People) -> None:
    part, batch = build(), people(16)
    training = augment(part, batch).stages["final"].absolute
    torch.testing.assert_close(training, augment(part.eval(), batch).stages["final"].absolute)
    assert augment(part, people(1)).batch.joints_2d.isfinite().all()
