import math

import attrs
import pytest
import torch

from poseplug.core.data.pose_batch import Origin
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_baselines.jitter import Jitter
from poseplug_baselines.rigid import Rigid

BOTH = pytest.mark.parametrize("cls", [Rigid, Jitter])


@pytest.fixture
def augment(generator):
    def run(cls, batch, seed=7, **settings):
        augmentor = cls(cls.Config(**settings), BuildContext(skeleton=batch.skeleton))
        assert not list(augmentor.parameters())
        return augmentor.augment(batch, torch.Generator().manual_seed(seed)).batch

    return run


def snapshot(batch):
    camera = batch.camera
    tensors = {"2d": batch.joints_2d, "3d": batch.joints_3d, "rotation": camera.rotation, "position": camera.position}
    tensors |= {"focal": camera.focal, "centre": camera.centre, "size": camera.size, "origin": batch.origin}
    return {name: tensor.clone() for name, tensor in tensors.items() if tensor is not None}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@BOTH
@pytest.mark.parametrize("origins", [True, False])
def test_share_zero_changes_nothing(augment, poses, cls, origins):
    batch = poses(50)
    if origins:
        batch = attrs.evolve(batch, origin=torch.full((50,), int(Origin.GENERATED), dtype=torch.uint8))
    assert same(snapshot(augment(cls, batch, share=0.0)), snapshot(batch))


@BOTH
def test_batches_change_as_a_whole_if_asked_for(augment, poses, cls):
    batch = poses(20)
    shares = {"pose": [], "batch": []}
    for mixing, found in shares.items():
        for seed in range(60):
            moved = augment(cls, batch, seed, mixing=mixing).joints_3d != batch.joints_3d
            found.append(float(moved.any(-1).any(-1).float().mean()))
    assert set(shares["batch"]) == {0.0, 1.0}
    assert 15 < sum(shares["batch"]) < 45
    assert 0.4 < sum(shares["pose"]) / 60 < 0.6
    assert all(0 < share < 1 for share in shares["pose"])


@BOTH
def test_batch_given_stays_as_it_is(augment, poses, cls):
    batch = poses(50)
    before = snapshot(batch)
    augment(cls, batch, share=1.0)
    assert same(snapshot(batch), before)


@BOTH
def test_equal_generators_give_equal_poses(augment, poses, cls):
    batch = poses(50)
    assert same(snapshot(augment(cls, batch, seed=1)), snapshot(augment(cls, batch, seed=1)))
    assert not same(snapshot(augment(cls, batch, seed=1)), snapshot(augment(cls, batch, seed=2)))


@BOTH
def test_share_of_the_poses_changes_and_says_so(augment, poses, cls):
    batch = attrs.evolve(poses(4000), origin=torch.zeros(4000, dtype=torch.uint8))
    result = augment(cls, batch, share=0.3)
    changed = (result.joints_3d != batch.joints_3d).flatten(1).any(-1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 4000))
    assert torch.equal(result.joints_2d[~changed], batch.joints_2d[~changed])
    assert torch.equal(result.origin == Origin.AUGMENTED, changed)
    exact = result.camera.project(result.joints_3d)
    torch.testing.assert_close(result.joints_2d[changed], exact[changed])


@BOTH
def test_other_skeletons(augment, poses, cls, skeleton):
    result = augment(cls, poses(20, skeleton), share=1.0)
    assert result.joints_3d.shape == (20, skeleton.num_joints, 3)
    assert result.joints_3d.isfinite().all()


def test_rigid_turns_people_about_the_vertical_and_no_more(augment, poses):
    batch = poses(200)
    result = augment(Rigid, batch, share=1.0)
    torch.testing.assert_close(bone_lengths(result.joints_3d, H36M_16), bone_lengths(batch.joints_3d, H36M_16))
    # Seen through its new camera the person stands in the world as before, up to a shift along the ground.
    world, before = (b.camera.camera_to_world(b.joints_3d) for b in (result, batch))
    shift = world - before
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), rtol=0, atol=1e-5)
    torch.testing.assert_close(shift[..., 1], torch.zeros_like(shift[..., 1]), rtol=0, atol=1e-5)
    assert torch.equal(result.camera.focal, batch.camera.focal)
    assert result.joints_3d[..., 2].min() > 0


def test_rigid_views_are_those_asked_for(augment, poses):
    ranges = {"azimuth": (1.0, 2.0), "elevation": (0.1, 0.5), "distance": (3.0, 4.0)}
    result = augment(Rigid, poses(4000), share=1.0, **ranges)
    offset = result.camera.position - torch.tensor([0.0, 0.9, 0.0])
    found = {
        "azimuth": torch.atan2(offset[:, 0], offset[:, 2]),
        "elevation": torch.asin(offset[:, 1] / offset.norm(dim=-1)),
        "distance": offset.norm(dim=-1),
    }
    for name, (low, high) in ranges.items():
        values = found[name]
        assert values.min() >= low - 1e-4
        assert values.max() <= high + 1e-4
        # Mean and deviation of a uniform distribution.
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=5 * (high - low) / math.sqrt(12 * 4000))
        assert values.std().item() == pytest.approx((high - low) / math.sqrt(12), rel=0.05)
    roots = result.camera.camera_to_world(result.joints_3d)[:, 0]
    assert roots[:, [0, 2]].std().item() == pytest.approx(0.4, rel=0.05)


def test_rigid_without_extrinsics_takes_the_image_for_upright(augment, poses):
    batch = poses(100)
    bare = attrs.evolve(batch, camera=attrs.evolve(batch.camera, rotation=None, position=None))
    result = augment(Rigid, bare, share=1.0, elevation=(0.0, 0.0))
    assert result.camera.rotation is None
    # The root stands at the height that the cameras look at, so a level one sees it half way up.
    torch.testing.assert_close(result.root[:, 1], torch.zeros(100), rtol=0, atol=1e-5)
    # A level camera keeps heights relative to the root: only the other two axes turn.
    torch.testing.assert_close(result.root_relative[..., 1], batch.root_relative[..., 1], rtol=0, atol=1e-5)
    assert not torch.allclose(result.root_relative[..., 0], batch.root_relative[..., 0], atol=0.05)
    unchanged = augment(Rigid, bare, share=0.0)
    assert torch.equal(unchanged.joints_3d, batch.joints_3d)


def test_rigid_keeps_the_pose_s_own_intrinsics(augment, poses):
    batch = poses(10)
    camera = Camera.shared(10, (900.0, 950.0), (400.0, 300.0), (800.0, 600.0), (0.1, 0.0, 0.0, 0.01, 0.0))
    camera = attrs.evolve(camera, rotation=batch.camera.rotation, position=batch.camera.position)
    result = augment(Rigid, attrs.evolve(batch, camera=camera), share=1.0)
    for name in ("focal", "centre", "size", "distortion"):
        assert torch.equal(getattr(result.camera, name), getattr(camera, name))


def test_jitter_scales_left_and_right_alike_within_its_range(augment, poses):
    batch = poses(3000)
    factor = bone_lengths(augment(Jitter, batch, share=1.0, length=0.2).joints_3d, H36M_16)
    factor = factor / bone_lengths(batch.joints_3d, H36M_16)
    assert factor.min() >= 0.8 - 1e-4
    assert factor.max() <= 1.2 + 1e-4
    assert factor.std().item() == pytest.approx(0.4 / math.sqrt(12), rel=0.05)
    bone = {H36M_16.joints[child]: i for i, (_, child) in enumerate(H36M_16.bones)}
    for left, right in H36M_16.pairs:
        torch.testing.assert_close(factor[:, bone[left]], factor[:, bone[right]], rtol=1e-3, atol=1e-3)
    correlation = torch.corrcoef(factor[:, [bone["LHip"], bone["LKnee"]]].T)[0, 1]
    assert abs(correlation) < 0.1


def test_jitter_turns_bones_by_the_noise_it_says(augment, poses):
    batch = poses(3000)
    result = augment(Jitter, batch, share=1.0, direction=0.1, length=0.0)
    torch.testing.assert_close(
        bone_lengths(result.joints_3d, H36M_16), bone_lengths(batch.joints_3d, H36M_16), rtol=1e-3, atol=1e-4
    )
    assert torch.equal(result.root, batch.root)
    before, after = (bone_vectors(b.joints_3d, H36M_16) for b in (batch, result))
    sine = torch.linalg.cross(before, after).norm(dim=-1) / before.norm(dim=-1) / after.norm(dim=-1)
    # To first order the angle is the noise's part across the bone: two axes of deviation 0.1.
    assert sine.square().mean().item() == pytest.approx(0.02, rel=0.06)


def test_jitter_of_nothing_keeps_the_pose(augment, poses):
    batch = poses(20)
    result = augment(Jitter, batch, share=1.0, direction=0.0, length=0.0)
    torch.testing.assert_close(result.joints_3d, batch.joints_3d, rtol=0, atol=1e-5)
