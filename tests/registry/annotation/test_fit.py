"""Fitting poses to marks: what was disturbed comes back, what nobody marked stays plausible."""

import pytest
import torch
from annotating import camera, figures

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors, joints_from_bones
from poseplug.core.geometry.layouts import H36M_17
from poseplug.registry.annotation.body_limits import BodyLimits
from poseplug.registry.annotation.fit import fit_to_2d

N = 16


def disturbed(poses, seed=0, turn=0.2, longer=0.05):
    """Turn bones by about so many radians, change their lengths, left and right alike, and move the root."""
    generator = torch.Generator().manual_seed(seed)
    bones = bone_vectors(poses, H36M_17)
    lengths = torch.linalg.vector_norm(bones, dim=-1, keepdim=True)
    noise = turn / 2**0.5 * torch.randn(bones.shape, generator=generator)
    ways = torch.nn.functional.normalize(bones / lengths + noise, dim=-1)
    factor = 1 + longer * torch.randn(1, bones.shape[1], 1, generator=generator)
    ends = [child - 1 for _, child in H36M_17.bones]
    factor = (factor + factor[:, [H36M_17.flip_index[end + 1] - 1 for end in ends]]) / 2
    root = poses[:, 0] + torch.tensor([0.03, 0.03, 0.2]) * torch.randn(len(poses), 3, generator=generator)
    return joints_from_bones(ways * lengths * factor, root, H36M_17)


def error(poses, truth):
    """Return [N] mean distances of joints, metres, roots laid on each other."""
    return torch.linalg.vector_norm((poses - poses[:, :1]) - (truth - truth[:, :1]), dim=-1).mean(1)


@pytest.fixture(scope="module")
def known(walking):
    return figures(walking, N)


def test_exact_marks_bring_a_disturbed_pose_back(known):
    poses, pixels = known
    start = disturbed(poses)
    fitted = fit_to_2d(pixels, torch.ones(N, 17), start, camera(N), H36M_17)
    assert (camera(N).project(start) - pixels).norm(dim=-1).mean() > 10
    again = (camera(N).project(fitted.joints_3d) - pixels).norm(dim=-1)
    assert again.mean(1).max() < 1
    torch.testing.assert_close(fitted.error_px, again.mean(1), atol=1e-3, rtol=1e-3)
    before, after = error(start, poses), error(fitted.joints_3d, poses)
    assert after.mean() < 0.7 * before.mean()
    assert (after < before).float().mean() > 0.9


def test_the_truth_stays_where_it_is(known):
    """A body alike left and right, seen exactly and begun with, has nothing to gain by moving."""
    poses, _ = known
    bones = bone_vectors(poses, H36M_17)
    both = (bone_lengths(poses, H36M_17).log() + bone_lengths(poses, H36M_17).log()[:, flipped()]) / 2
    even = joints_from_bones(torch.nn.functional.normalize(bones, dim=-1) * both.exp()[..., None], poses[:, 0], H36M_17)
    fitted = fit_to_2d(camera(N).project(even), torch.ones(N, 17), even, camera(N), H36M_17)
    torch.testing.assert_close(fitted.joints_3d, even, atol=1e-5, rtol=0)


def flipped():
    return [H36M_17.flip_index[child] - 1 for _, child in H36M_17.bones]


def test_left_and_right_are_of_one_length(known):
    poses, pixels = known
    fitted = fit_to_2d(pixels, torch.ones(N, 17), disturbed(poses, seed=1), camera(N), H36M_17)
    lengths = bone_lengths(fitted.joints_3d, H36M_17)
    torch.testing.assert_close(lengths, lengths[:, flipped()], atol=1e-5, rtol=1e-5)


def test_a_missing_joint_stays_where_the_bone_was_to_point(known):
    poses, pixels = known
    wrist, elbow = H36M_17.index("LWrist"), H36M_17.index("LElbow")
    weights = torch.ones(N, 17)
    weights[:, wrist] = 0
    nonsense = pixels.clone()
    nonsense[:, wrist] = 1e4
    start = disturbed(poses, turn=0.1)
    fitted = fit_to_2d(nonsense, weights, start, camera(N), H36M_17).joints_3d
    ways = [torch.nn.functional.normalize(p[:, wrist] - p[:, elbow], dim=-1) for p in (fitted, start)]
    torch.testing.assert_close(ways[0], ways[1], atol=1e-4, rtol=0)
    assert (fitted - poses)[:, wrist].norm(dim=-1).mean() < 0.3


def test_poses_do_not_know_of_each_other(known):
    poses, pixels = known
    start = disturbed(poses, seed=2)
    together = fit_to_2d(pixels, torch.ones(N, 17), start, camera(N), H36M_17).joints_3d
    alone = fit_to_2d(pixels[3:4], torch.ones(1, 17), start[3:4], camera(1), H36M_17).joints_3d
    torch.testing.assert_close(together[3:4], alone, atol=1e-3, rtol=0)


def test_a_hand_holds_faster_than_a_lifter(known):
    poses, pixels = known
    start = disturbed(poses, seed=3)
    moved = [
        error(fit_to_2d(pixels, torch.ones(N, 17), start, camera(N), H36M_17, turns=turns).joints_3d, start).mean()
        for turns in (0.05, 0.35)
    ]
    assert moved[0] < moved[1]


def test_limits_push_a_knee_that_bends_forward(known):
    poses, pixels = known
    limits = BodyLimits.of(H36M_17)
    left, right, knee, foot = (H36M_17.index(name) for name in ("LHip", "RHip", "LKnee", "LFoot"))
    bone = limits.ends.index(foot)
    up, across = poses[:, H36M_17.index("Thorax")] - poses[:, 0], poses[:, right] - poses[:, left]
    forward = torch.nn.functional.normalize(torch.linalg.cross(up, across), dim=-1)
    thigh = torch.nn.functional.normalize(poses[:, knee] - poses[:, left], dim=-1)
    start = poses.clone()
    start[:, foot] = start[:, knee] + 0.3 * (thigh + forward)
    weights = torch.ones(N, 17)
    weights[:, foot] = 0
    free = fit_to_2d(pixels, weights, start, camera(N), H36M_17).joints_3d
    kept = fit_to_2d(pixels, weights, start, camera(N), H36M_17, limits).joints_3d
    before, after = limits(free)[:, bone], limits(kept)[:, bone]
    assert (before > 0.2).float().mean() > 0.9
    assert after[before > 0.2].mean() < 0.3 * before[before > 0.2].mean()
    told = [dict(limits.beyond(pose)).get(foot, 0.0) for pose in free]
    assert told == pytest.approx(before.rad2deg().tolist(), abs=0.06)


def test_distorted_cameras(known):
    poses, _ = known
    bent = Camera.shared(N, (700, 700), (320, 240), (640, 480), (-0.2, 0.25, -0.005, -0.001, -0.002))
    fitted = fit_to_2d(bent.project(poses), torch.ones(N, 17), disturbed(poses), bent, H36M_17)
    assert fitted.error_px.max() < 1
