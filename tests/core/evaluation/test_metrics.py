import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from poseplug.core.evaluation import metrics

distances = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 17)),
    # Multiples of 5 are where strict and non-strict comparisons part.
    elements=st.one_of(st.floats(0, 400, width=32), st.sampled_from([5.0 * k for k in range(40)])),
)


def poses(seed: int, n: int = 20, joints: int = 16) -> torch.Tensor:
    return torch.randn(n, joints, 3, generator=torch.Generator().manual_seed(seed)) * 0.4


def test_joint_errors_by_pythagoras() -> None:
    predicted = torch.tensor([[[0.3, 0.4, 0.0], [1.0, 2.0, 2.0]]])
    torch.testing.assert_close(metrics.joint_errors(predicted, torch.zeros(1, 2, 3)), torch.tensor([[500.0, 3000.0]]))
    torch.testing.assert_close(metrics.mpjpe(predicted, torch.zeros(1, 2, 3)), torch.tensor([1750.0]))


def test_mpjpe_of_a_shift_is_its_length() -> None:
    target = poses(0)
    torch.testing.assert_close(
        metrics.mpjpe(target + torch.tensor([0.02, 0.03, 0.06]), target), torch.full((20,), 70.0)
    )


def test_errors_leave_their_arguments_alone() -> None:
    predicted, target = poses(0), poses(1)
    kept = predicted.clone(), target.clone()
    for metric in (metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe, metrics.joint_errors):
        metric(predicted, target)
    for metric in (metrics.pck, metrics.auc):
        metric(predicted.abs()[..., 0])
    metrics.root_axis_errors(predicted[:, 0], target[:, 0])
    torch.testing.assert_close((predicted, target), kept, rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 20))
def test_p_mpjpe_does_not_see_similarities(seed: int, factor: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted, target = poses(seed % 1000), poses(seed % 1000 + 1)
    q = torch.linalg.qr(torch.randn(20, 3, 3, generator=generator)).Q
    rotation = q * torch.linalg.det(q)[:, None, None]
    moved = predicted @ rotation * factor + torch.randn(20, 1, 3, generator=generator)
    torch.testing.assert_close(metrics.p_mpjpe(moved, target), metrics.p_mpjpe(predicted, target), rtol=1e-4, atol=1e-2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_n_mpjpe_does_not_see_positive_scale(seed: int, factor: float) -> None:
    predicted, target = poses(seed), poses(seed + 1)
    found = metrics.n_mpjpe(predicted * factor, target)
    torch.testing.assert_close(found, metrics.n_mpjpe(predicted, target), rtol=1e-5, atol=1e-3)


def test_n_mpjpe_by_a_search_over_scales() -> None:
    predicted, target = poses(0, 5).double(), poses(1, 5).double()
    scales = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    squares = torch.stack([((s * predicted - target) ** 2).sum((1, 2)) for s in scales])
    best = scales[squares.argmin(0)][:, None, None]
    expected = (best * predicted - target).norm(dim=-1).mean(-1) * 1000
    torch.testing.assert_close(metrics.n_mpjpe(predicted, target), expected, atol=0.1, rtol=0)


def test_n_mpjpe_of_zeros_is_the_size_of_the_target() -> None:
    target = poses(0)
    torch.testing.assert_close(metrics.n_mpjpe(torch.zeros_like(target), target), target.norm(dim=-1).mean(-1) * 1000)


def test_better_alignments_have_smaller_squared_errors() -> None:
    predicted, target = poses(0), poses(1)
    rigid, similar, mirrored = (
        metrics.p_joint_errors(predicted, target, scale=scale, reflection=reflection).square().sum(-1)
        for scale, reflection in ((False, False), (True, False), (True, True))
    )
    assert (similar <= rigid + 1e-3).all()
    assert (mirrored <= similar + 1e-3).all()
    assert (mirrored < similar - 1).any()


@settings(max_examples=100, deadline=None)
@given(distances, st.sampled_from([150.0, 50.0, 250.0]))
def test_pck_by_brute_force(errors: np.ndarray, threshold: float) -> None:
    expected = [100 * sum(float(e) < threshold for e in row) / len(row) for row in errors]
    np.testing.assert_allclose(metrics.pck(torch.from_numpy(errors), threshold), expected, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(distances)
def test_auc_by_brute_force(errors: np.ndarray) -> None:
    expected = [np.mean([100 * np.mean(row < np.float32(t)) for t in range(0, 151, 5)]) for row in errors]
    np.testing.assert_allclose(metrics.auc(torch.from_numpy(errors)), expected, rtol=1e-5, atol=1e-4)


def test_perfect_poses_reach_30_of_31_thresholds() -> None:
    torch.testing.assert_close(metrics.auc(torch.zeros(1, 16)), torch.tensor([100 * 30 / 31]))


def test_thresholds_are_strict() -> None:
    assert metrics.pck(torch.tensor([[150.0, 149.99]])).item() == 50


@pytest.mark.parametrize("metric", [metrics.pck, metrics.auc])
def test_nan_is_not_a_miss(metric) -> None:
    errors = torch.tensor([[10.0, float("nan")], [10.0, 10.0]])
    found = metric(errors)
    assert found[0].isnan()
    assert found[1] > 90


def test_root_errors_by_hand() -> None:
    predicted, target = torch.tensor([[0.1, 0.0, 4.0]]), torch.tensor([[0.4, -0.4, 5.2]])
    torch.testing.assert_close(metrics.root_axis_errors(predicted, target), torch.tensor([[300.0, 400.0, 1200.0]]))
    torch.testing.assert_close(metrics.mrpe(predicted, target), torch.tensor([1300.0]))


def test_no_poses() -> None:
    nothing = torch.zeros(0, 16, 3)
    for metric in (metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe):
        assert metric(nothing, nothing).shape == (0,)
