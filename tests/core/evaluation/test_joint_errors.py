import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from poseplug.core.evaluation.joint_errors import MILLIMETRES, auc, joint_errors, n_joint_errors, pck
from poseplug.core.geometry.procrustes import alignment_errors

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
    torch.testing.assert_close(joint_errors(predicted, torch.zeros(1, 2, 3)), torch.tensor([[500.0, 3000.0]]))
    torch.testing.assert_close(joint_errors(predicted[:, 0], torch.zeros(1, 3)), torch.tensor([500.0]))


def test_errors_leave_their_arguments_alone() -> None:
    predicted, target = poses(0), poses(1)
    kept = predicted.clone(), target.clone()
    for errors in (joint_errors, alignment_errors, n_joint_errors):
        errors(predicted, target)
    pck(predicted.abs()[..., 0], 150)
    auc(predicted.abs()[..., 0], 150, 5)
    torch.testing.assert_close((predicted, target), kept, rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 20))
def test_aligned_errors_do_not_see_similarities(seed: int, factor: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted, target = poses(seed % 1000), poses(seed % 1000 + 1)
    q = torch.linalg.qr(torch.randn(20, 3, 3, generator=generator)).Q
    rotation = q * torch.linalg.det(q)[:, None, None]
    moved = predicted @ rotation * factor + torch.randn(20, 1, 3, generator=generator)
    torch.testing.assert_close(
        alignment_errors(moved, target), alignment_errors(predicted, target), rtol=1e-4, atol=5e-5
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_scaled_errors_do_not_see_positive_scale(seed: int, factor: float) -> None:
    predicted, target = poses(seed), poses(seed + 1)
    found = n_joint_errors(predicted * factor, target)
    torch.testing.assert_close(found, n_joint_errors(predicted, target), rtol=1e-5, atol=1e-2)


def test_scaled_errors_by_a_search_over_scales() -> None:
    predicted, target = poses(0, 5).double(), poses(1, 5).double()
    scales = torch.linspace(-1, 1, 20001, dtype=torch.float64)
    squares = torch.stack([((s * predicted - target) ** 2).sum((1, 2)) for s in scales])
    best = scales[squares.argmin(0)][:, None, None]
    expected = (best * predicted - target).norm(dim=-1) * 1000
    torch.testing.assert_close(n_joint_errors(predicted, target), expected, atol=0.1, rtol=0)


def test_scaled_errors_of_zeros_are_the_size_of_the_target() -> None:
    target = poses(0)
    torch.testing.assert_close(n_joint_errors(torch.zeros_like(target), target), target.norm(dim=-1) * 1000)


def test_better_alignments_have_smaller_squared_errors() -> None:
    predicted, target = poses(0), poses(1)
    rigid, similar, mirrored = (
        (alignment_errors(predicted, target, scale=scale, reflection=reflection) * MILLIMETRES).square().sum(-1)
        for scale, reflection in ((False, False), (True, False), (True, True))
    )
    assert (similar <= rigid + 1e-3).all()
    assert (mirrored <= similar + 1e-3).all()
    assert (mirrored < similar - 1).any()


@settings(max_examples=100, deadline=None)
@given(distances, st.sampled_from([150.0, 50.0, 250.0]))
def test_pck_by_brute_force(errors: np.ndarray, threshold: float) -> None:
    expected = [100 * sum(float(e) < threshold for e in row) / len(row) for row in errors]
    np.testing.assert_allclose(pck(torch.from_numpy(errors), threshold), expected, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(distances)
def test_auc_by_brute_force(errors: np.ndarray) -> None:
    expected = [np.mean([100 * np.mean(row < np.float32(t)) for t in range(0, 151, 5)]) for row in errors]
    np.testing.assert_allclose(auc(torch.from_numpy(errors), 150, 5), expected, rtol=1e-5, atol=1e-4)


def test_perfect_poses_reach_30_of_31_thresholds() -> None:
    torch.testing.assert_close(auc(torch.zeros(1, 16), 150, 5), torch.tensor([100 * 30 / 31]))


def test_thresholds_are_strict() -> None:
    assert pck(torch.tensor([[150.0, 149.99]]), 150).item() == 50


def test_nan_is_not_a_miss() -> None:
    errors = torch.tensor([[10.0, float("nan")], [10.0, 10.0]])
    for found in (pck(errors, 150), auc(errors, 150, 5)):
        assert found[0].isnan()
        assert found[1] > 90


def test_no_poses() -> None:
    nothing = torch.zeros(0, 16, 3)
    for errors in (joint_errors, alignment_errors, n_joint_errors):
        assert errors(nothing, nothing).shape == (0, 16)
