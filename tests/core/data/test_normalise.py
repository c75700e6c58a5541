import pytest
import torch

from poseplug.core.data.normalise import (
    Normalisation,
    Normaliser,
    max_normalised,
    pose_standardised,
    screen_coordinates,
)
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton

PAIR = Skeleton("pair", ("a", "root"), ("root", ""))


def batch(pixels: list[list[list[float]]], size: tuple[float, float] = (1000.0, 1002.0)) -> PoseBatch:
    joints = torch.tensor(pixels)
    return PoseBatch(PAIR, joints, Camera.shared(len(joints), (1.0, 1.0), (0.0, 0.0), size))


@pytest.mark.parametrize(
    ("size", "pixel", "expected"),
    [
        # Landscape: both coordinates over the width, as PoseAug and VideoPose3D do.
        ((2000.0, 1000.0), (0.0, 0.0), (-1.0, -0.5)),
        ((2000.0, 1000.0), (2000.0, 1000.0), (1.0, 0.5)),
        ((2000.0, 1000.0), (1500.0, 500.0), (0.5, 0.0)),
        # Portrait: over the height, as if padded to a square.
        ((500.0, 1000.0), (0.0, 0.0), (-0.5, -1.0)),
        ((500.0, 1000.0), (250.0, 750.0), (0.0, 0.5)),
    ],
)
def test_screen_coordinates(
    size: tuple[float, float], pixel: tuple[float, float], expected: tuple[float, float]
) -> None:
    found = screen_coordinates(torch.tensor([[pixel]]), torch.tensor([size]))
    torch.testing.assert_close(found, torch.tensor([[expected]]))


def test_max_norm_by_hand() -> None:
    pixels = torch.tensor([[[100.0, 200.0], [300.0, 250.0]], [[1.0, 7.0], [1.0, 3.0]]])
    expected = torch.tensor([[[-1.0, -0.25], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]])
    torch.testing.assert_close(max_normalised(pixels, 1), expected)


def test_max_norm_of_a_collapsed_pose_is_zero() -> None:
    assert torch.equal(max_normalised(torch.full((1, 4, 2), 3.0), 0), torch.zeros(1, 4, 2))


def test_pose_standardised_by_hand() -> None:
    # Means (2, 5), standard deviations 1 of x and 3 of y: their mean is 2.
    pixels = torch.tensor([[[1.0, 2.0], [3.0, 8.0]]])
    torch.testing.assert_close(pose_standardised(pixels), torch.tensor([[[-0.5, -1.5], [0.5, 1.5]]]))


def test_pose_standardised_knows_neither_place_nor_size() -> None:
    poses = torch.randn(5, 17, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = poses * 70 + torch.tensor([400.0, -30.0])
    torch.testing.assert_close(pose_standardised(moved), pose_standardised(poses))


def test_pose_standardised_of_a_collapsed_pose_is_zero_and_has_a_gradient() -> None:
    pixels = torch.full((1, 4, 2), 3.0, requires_grad=True)
    found = pose_standardised(pixels)
    assert torch.equal(found, torch.zeros(1, 4, 2))
    (gradient,) = torch.autograd.grad(found.square().sum(), pixels)
    assert gradient.isfinite().all()


def test_normaliser_applies_its_kind() -> None:
    poses = batch([[[0.0, 0.0], [500.0, 501.0]]])
    found = Normaliser(Normalisation.SCREEN, 2)(poses)
    torch.testing.assert_close(found, screen_coordinates(poses.joints_2d, poses.camera.size))
    torch.testing.assert_close(Normaliser(Normalisation.MAX_NORM, 2)(poses), max_normalised(poses.joints_2d, 1))
    found = Normaliser(Normalisation.POSE_STANDARDISED, 2)(poses)
    torch.testing.assert_close(found, pose_standardised(poses.joints_2d))


def test_standardised_by_hand() -> None:
    poses = batch([[[1.0, 10.0], [5.0, 0.0]], [[3.0, 10.0], [5.0, 2.0]], [[5.0, 10.0], [5.0, 4.0]]])
    normaliser = Normaliser(Normalisation.STANDARDISED, 2)
    normaliser.fit(poses)
    found = normaliser(poses)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(found[:, 1, 1], torch.tensor([-1.0, 0.0, 1.0]))
    # What never varied becomes zero, not NaN.
    assert torch.equal(found[:, 0, 1], torch.zeros(3))


def test_statistics_travel_with_the_model() -> None:
    fitted, fresh = (Normaliser(Normalisation.STANDARDISED, 2) for _ in range(2))
    poses = batch([[[1.0, 10.0], [5.0, 0.0]], [[3.0, 11.0], [6.0, 2.0]]])
    fitted.fit(poses)
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(fresh(poses), fitted(poses))
    assert not torch.equal(Normaliser(Normalisation.STANDARDISED, 2)(poses), fitted(poses))


@pytest.mark.parametrize("kind", [Normalisation.SCREEN, Normalisation.MAX_NORM, Normalisation.POSE_STANDARDISED])
def test_other_kinds_have_nothing_to_fit(kind: Normalisation) -> None:
    normaliser = Normaliser(kind, 2)
    normaliser.fit(batch([[[1.0, 10.0], [5.0, 0.0]]]))
    assert not normaliser.state_dict()
