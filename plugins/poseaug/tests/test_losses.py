"""Regularisers and feedback against cases computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug_poseaug.feedback import ErrorFeedback, scheduled
from poseplug_poseaug.regularisers import angle_range, length_range, printed

CPU = torch.device("cpu")
BAND = (0.04, 0.37)


def test_angle_range_is_free_within_its_band_and_has_two_sides() -> None:
    # Means over the bones: 0 (too little), 0.2 (free), 0.5 (too much). The band's middle is 0.205.
    change = torch.tensor([[0.0, 0.0], [0.1, 0.3], [0.2, 0.8]])
    assert angle_range(change, BAND).item() == pytest.approx((0.205**2 + 0.295**2) / 3)
    assert angle_range(torch.tensor([[0.0401], [0.3699]]), BAND).item() == 0
    assert angle_range(torch.tensor([[0.0399]]), BAND).item() == pytest.approx(0.1651**2)


def test_length_range_counts_each_ratio_beyond_its_limit() -> None:
    ratios = torch.tensor([[0.05, -0.1, 0.15], [-0.2, 0.0, 0.09]])
    assert length_range(ratios, 0.1).item() == pytest.approx((0.15**2 + 0.2**2) / 6)


def test_the_printed_regulariser_is_gated_by_the_mean_of_a_pose() -> None:
    gamma = torch.tensor([[0.1, -0.2, 0.0], [0.3, 0.3, -0.3]])
    assert printed(gamma, 0.2).item() == pytest.approx(3 * 0.3**2 / 2)
    assert printed(gamma, 0.05).item() == pytest.approx((0.05 + 0.27) / 2)
    residual = torch.full((1, 2, 3), 0.5)
    assert printed(residual, 0.1).item() == pytest.approx(6 * 0.25)


def poses_with_errors(errors: list[float]) -> tuple[PoseBatch, Tensor]:
    """One pose, and what a lifter says that is off by so many metres at each joint."""
    joints = torch.randn(1, 16, 3) + torch.tensor([0.0, 0.0, 5.0])
    camera = Camera.shared(1, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    batch = PoseBatch.seen(H36M_16, joints, camera)
    offsets = torch.nn.functional.normalize(torch.randn(1, 16, 3), dim=-1) * torch.tensor(errors)[:, None]
    return batch, batch.root_relative + offsets


def test_errors_are_weighted_means_over_groups_of_joints() -> None:
    errors = [9.0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 9.0, 9.0, 0.4, 0.5, 0.6, 0.7, 0.5, 0.6, 0.7]
    batch, lifted = poses_with_errors(errors)
    found = ErrorFeedback(H36M_16, "rectified", CPU).errors(batch, lambda asked: lifted)
    # 5 (RHip LHip LShoulder RShoulder) / 4; 2 (knees, elbows) and 1 (head) / 5; 1 (feet, wrists) / 4.
    first, second, third = 5 * (0.1 + 0.1 + 0.5 + 0.5) / 4, (2 * (0.2 + 0.2 + 0.6 + 0.6) + 0.4) / 5, 2.0 / 4
    assert found[0].tolist() == pytest.approx([first, second, third], rel=1e-5)


def test_rectified_feedback_asks_for_a_ratio_within_limits() -> None:
    error = ErrorFeedback(H36M_16, "rectified", CPU)
    before, after = torch.tensor([[0.1, 0.1, 0.1]]), torch.tensor([[0.3, 0.05, 0.6]])
    # Ratios 3, 0.5 and 6 around 3 +- 2.
    assert error.loss(after, before, 3.0, 2.0).item() == pytest.approx((2.5**2 + 3.0**2) / 3, rel=1e-5)
    assert error.loss(after, before, 3.0, 3.5).item() == 0
    assert error.loss(torch.zeros(1, 3), torch.zeros(1, 3), 3.0, 2.0).item() == pytest.approx(9.0)


def test_exponential_feedback_is_equation_9() -> None:
    error = ErrorFeedback(H36M_16, "exponential", CPU)
    before, after = torch.tensor([[0.1, 0.2]]), torch.tensor([[0.4, 0.2]])
    expected = (abs(1 - math.exp(0.4 - 0.3)) + abs(1 - math.exp(0.2 - 0.6))) / 2
    assert error.loss(after, before, 3.0, 0.0).item() == pytest.approx(expected, rel=1e-5)
    assert error.loss(torch.full((1, 2), 1e4), before, 3.0, 0.0).isfinite()


def test_beta_goes_from_one_bound_to_the_other() -> None:
    assert [scheduled((3.0, 5.0), p) for p in (0.0, 0.25, 1.0)] == [3.0, 3.5, 5.0]
