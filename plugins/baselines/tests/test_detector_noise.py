import math

import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug.registry.config.read_settings import structure
from poseplug_baselines.detector_noise import DetectorNoise

QUIET = {"share": 1.0, "noise": 0.0, "missing": 0.0, "hidden": 0.0}


def noisy(batch, seed=7, **settings):
    augmentor = DetectorNoise(DetectorNoise.Config(**{**QUIET, **settings}), BuildContext(skeleton=batch.skeleton))
    return augmentor.augment(batch, torch.Generator().manual_seed(seed)).batch


def test_nothing_to_do_changes_nothing(poses):
    batch = poses(50)
    for settings in ({}, {"share": 0.0, "noise": 1.0, "missing": 0.9}):
        made = noisy(batch, **settings)
        assert torch.equal(made.joints_2d, batch.joints_2d)
    assert made.joints_3d is batch.joints_3d


def test_noise_is_a_share_of_the_person(poses):
    batch = poses(4000)
    extent = (batch.joints_2d.amax(1) - batch.joints_2d.amin(1)).amax(-1)
    error = (noisy(batch, noise=0.02).joints_2d - batch.joints_2d) / extent[:, None, None]
    assert float(error.std()) == pytest.approx(0.02, rel=0.01)
    assert abs(float(error.mean())) < 3 * 0.02 / math.sqrt(error.numel())


def test_missing_joints_lie_on_others(poses):
    batch = poses(4000)
    moved = (noisy(batch, missing=0.1).joints_2d != batch.joints_2d).any(-1)
    assert float(moved.float().mean()) == pytest.approx(0.1, abs=0.005)
    wrist, elbow = H36M_16.index("LWrist"), H36M_16.index("LElbow")
    made = noisy(batch, missing=0.1).joints_2d
    on_elbow = (made[:, wrist] == batch.joints_2d[:, elbow]).all(-1)
    assert float(on_elbow.float().mean()) == pytest.approx(0.1 * 0.9, abs=0.02)


def test_what_is_hidden_takes_along_what_hangs_from_it(poses):
    batch = poses(2000)
    made = noisy(batch, hidden=1.0)
    moved = (made.joints_2d != batch.joints_2d).any(-1)
    for upper, lower in (("LHip", "LKnee"), ("LKnee", "LFoot"), ("RShoulder", "RElbow"), ("Spine", "Thorax")):
        hidden = moved[:, H36M_16.index(upper)]
        assert hidden.any()
        assert moved[hidden][:, H36M_16.index(lower)].all()
    assert (moved.sum(1) < 16).all()
    root = moved[:, H36M_16.root]
    assert (moved[root].sum(1) == 1).all()


def test_a_pose_of_which_nothing_is_found_stays_whole(poses):
    batch = poses(20)
    assert torch.equal(noisy(batch, missing=1.0).joints_2d, batch.joints_2d)


def test_the_head_is_marked_along_the_neck(poses):
    batch = poses(300)
    made = noisy(batch, head=(0.5, 2.0)).joints_2d
    head, neck = H36M_16.index("Head"), H36M_16.index("Thorax")
    before, after = batch.joints_2d[:, head] - batch.joints_2d[:, neck], made[:, head] - batch.joints_2d[:, neck]
    factor = (before * after).sum(-1) / (before * before).sum(-1)
    torch.testing.assert_close(after, before * factor[:, None], atol=0.01, rtol=0)
    assert float(factor.min()) == pytest.approx(0.5, abs=0.05)
    assert float(factor.max()) == pytest.approx(2.0, abs=0.05)
    others = [joint for joint in range(16) if joint != head]
    assert torch.equal(made[:, others], batch.joints_2d[:, others])


def test_equal_generators_give_equal_poses(poses):
    batch = poses(50)
    both = [noisy(batch, seed, noise=0.1, missing=0.2, hidden=0.5, head=(0.5, 1.5)).joints_2d for seed in (1, 1, 2)]
    assert torch.equal(both[0], both[1])
    assert not torch.equal(both[0], both[2])


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(PoseplugError, match="lower bound first"):
        structure(DetectorNoise.Config, {"head": [2.0, 1.0]}, "augmentor")
