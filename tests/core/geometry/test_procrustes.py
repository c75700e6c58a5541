import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from poseplug.core.geometry.procrustes import alignment_errors

KINDS = [(True, False), (True, True), (False, False), (False, True)]
# Where the best rotation is sharper than this, an independent method must find the same one.
SHARP = 1e-7


def slow(predicted: Tensor, target: Tensor, scale: bool, reflection: bool) -> tuple[np.ndarray, np.ndarray]:
    """By a singular value decomposition for each pose (Umeyama 1991): errors [N, J], and how sharp the optimum is."""
    errors, sharpness = [], []
    for x, y in zip(predicted.double().numpy(), target.double().numpy(), strict=True):
        x, y = x - x.mean(0), y - y.mean(0)
        u, s, vt = np.linalg.svd(x.T @ y)
        mirror = 1.0 if reflection else np.sign(np.linalg.det(u) * np.linalg.det(vt))
        signs = np.array([1.0, 1.0, mirror])
        square = (x * x).sum()
        factor = (s @ signs) / square if square > 0 else 0.0
        aligned = x @ ((u * signs) @ vt) * (factor if scale else 1.0)
        errors.append(np.linalg.norm(aligned - y, axis=1))
        sharpness.append((s[1] + mirror * s[2]) / max(s[0], 1e-300))
    return np.array(errors).reshape(predicted.shape[:2]), np.array(sharpness)


def check(predicted: Tensor, target: Tensor, scale: bool = True, reflection: bool = False) -> None:
    """Agreement to 1e-3 mm; where several rotations are equally good, of the squared error that they share."""
    found = alignment_errors(predicted, target, scale=scale, reflection=reflection).numpy()
    expected, sharpness = slow(predicted, target, scale, reflection)
    extent = max(1.0, float(expected.max(initial=0.0)))
    rms = [np.sqrt((e * e).sum(1)) for e in (found.astype(np.float64), expected)]
    np.testing.assert_allclose(rms[0], rms[1], atol=1e-6 * extent, rtol=0)
    sharp = np.flatnonzero(sharpness > SHARP)
    np.testing.assert_allclose(found.mean(1)[sharp], expected.mean(1)[sharp], atol=1e-6 * extent, rtol=0)


def shape(joints: int, n: int = 300, seed: int = 0) -> Tensor:
    return torch.randn(n, joints, 3, generator=torch.Generator().manual_seed(seed)) * 0.4


@pytest.mark.parametrize(("scale", "reflection"), KINDS)
@pytest.mark.parametrize("joints", [1, 2, 3, 4, 16, 17])
def test_agrees_with_decomposition(joints: int, scale: bool, reflection: bool) -> None:
    target = shape(joints)
    check(shape(joints, seed=1), target, scale, reflection)
    check(target + shape(joints, seed=2) * 0.05, target, scale, reflection)


@pytest.mark.parametrize(("scale", "reflection"), KINDS)
@pytest.mark.parametrize("joints", [3, 4, 16])
def test_mirrored_poses(joints: int, scale: bool, reflection: bool) -> None:
    target = shape(joints)
    mirrored = target * torch.tensor([-1.0, 1.0, 1.0])
    check(mirrored, target, scale, reflection)
    if reflection:
        assert alignment_errors(mirrored, target, reflection=True).max() < 1e-6


@pytest.mark.parametrize("thickness", [0.0, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("joints", [3, 4, 16])
def test_flat_and_collinear_poses(joints: int, thickness: float) -> None:
    solid, other = shape(joints), shape(joints, seed=1)
    for squeeze in (torch.tensor([1.0, 1.0, thickness]), torch.tensor([1.0, thickness, thickness])):
        check(solid * squeeze, other)
        check(solid, other * squeeze)
        check(solid * squeeze, (solid + 0.1 * other) * squeeze)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 1e-2])
def test_mirrored_regular_bodies_where_three_eigenvalues_meet(noise: float) -> None:
    body = torch.cat([torch.eye(3), -torch.eye(3)]).double().expand(200, -1, -1)
    shaken = body + torch.randn(200, 6, 3, generator=torch.Generator().manual_seed(0)).double() * noise
    check(shaken * torch.tensor([1.0, 1.0, -1.0]), body)


@pytest.mark.parametrize("name", ["line", "line to line", "mirrored body", "same body", "zeros"])
def test_where_several_rotations_are_equally_good_the_squared_error_is_that_of_each(name: str) -> None:
    line, body = torch.tensor([1.0, 0.0, 0.0]), torch.cat([torch.eye(3), -torch.eye(3)]).expand(300, -1, -1)
    predicted, target = {
        "line": (shape(16) * line, shape(16, seed=1)),
        "line to line": (shape(16) * line, shape(16, seed=1) * line.roll(1)),
        "mirrored body": (body * torch.tensor([1.0, 1.0, -1.0]), body),
        "same body": (body, body),
        "zeros": (torch.zeros(300, 16, 3), shape(16)),
    }[name]
    found = alignment_errors(predicted, target).square().sum(1).sqrt()
    expected = np.sqrt((slow(predicted, target, True, False)[0] ** 2).sum(1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-38, 1e-20, 1e-3, 1e3, 1e15])
def test_any_scale_of_the_prediction(factor: float) -> None:
    target = shape(16)
    check((target + 0.1 * shape(16, seed=1)) * factor, target)


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0])
def test_collapsed_predictions_leave_the_distance_to_the_mean(value: float) -> None:
    target = shape(16)
    expected = (target - target.mean(1, keepdim=True)).norm(dim=-1)
    torch.testing.assert_close(alignment_errors(torch.full_like(target, value), target), expected)


def test_collapsed_target() -> None:
    assert alignment_errors(shape(16), torch.zeros(300, 16, 3)).max() == 0


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.integers(0, 5), st.integers(1, 17)).flatmap(
        lambda size: hnp.arrays(np.float32, (2, *size, 3), elements=st.floats(-3, 3, width=32))
    ),
    st.sampled_from(KINDS),
)
def test_agrees_on_whatever_can_be_made(poses: np.ndarray, kind: tuple[bool, bool]) -> None:
    check(torch.from_numpy(poses[0]), torch.from_numpy(poses[1]), *kind)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.sampled_from([True, False]))
def test_similar_poses_have_no_error(seed: int, factor: float, reflection: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(8, 16, 3, generator=generator)
    orthogonal = torch.linalg.qr(torch.randn(8, 3, 3, generator=generator)).Q
    if not reflection:
        orthogonal = orthogonal * torch.linalg.det(orthogonal)[:, None, None]
    moved = target @ orthogonal * factor + torch.randn(8, 1, 3, generator=generator)
    assert alignment_errors(moved, target, reflection=reflection).max() < 1e-5


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_stays_in_its_pose(bad: float) -> None:
    predicted, target = shape(16, 5), shape(16, 5, seed=1)
    clean = alignment_errors(predicted, target)
    predicted[2, 7, 1] = bad
    errors = alignment_errors(predicted, target)
    assert errors[2].isnan().all()
    others = [0, 1, 3, 4]
    torch.testing.assert_close(errors[others], clean[others])


def test_results_do_not_depend_on_how_poses_are_cut_into_pieces() -> None:
    predicted, target = shape(16, 9000), shape(16, 9000, seed=1)
    whole = alignment_errors(predicted, target)
    torch.testing.assert_close(whole[8000:], alignment_errors(predicted[8000:], target[8000:]))
    assert whole.shape == (9000, 16)
    assert whole.dtype == torch.float32


def test_double_precision_is_kept() -> None:
    target = shape(16).double()
    errors = alignment_errors(target * 2 + 1, target)
    assert errors.dtype == torch.float64
    assert errors.max() < 1e-12


def test_no_gradient_is_recorded() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not alignment_errors(shape(16).requires_grad_(), shape(16)).requires_grad


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_gpu_agrees_and_does_not_wait() -> None:
    predicted, target = shape(16).cuda(), shape(16, seed=1).cuda()
    alignment_errors(predicted, target)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = alignment_errors(predicted, target, reflection=True)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    torch.testing.assert_close(found.cpu(), alignment_errors(predicted.cpu(), target.cpu(), reflection=True))
