"""The objective against true poses, numbers by hand, and a slow implementation of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from reprojection_kit import PAIR, Lift, build, image_of, losses, make_step, rows, size, smooth
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug_pose2drep.reprojection import ReprojectionConfig


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rotations": "batch"},
        {"mirror": 0.0},
        {"mirror": 1.0},
        {"azimuth": math.pi, "elevation": 1.0},
        {"adversarial": 0.0, "cycle": 1.0, "right_angle": 100.0},
    ],
)
def test_true_depths_cost_nothing(people: Any, oracle: Any, settings: dict[str, Any]) -> None:
    poses, true = people(8)
    found = losses(build(**settings), poses, oracle(poses, true))
    assert found["cycle"].item() < 1e-9
    assert found["right_angle"].item() < 1e-8


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_true_depths_cycle_in_perspective_too(people: Any, oracle: Any, mirror: float) -> None:
    part = build(projection="perspective", distance=5.0, mirror=mirror)
    poses, true = people(8, nearness=0.2)
    found = losses(part, poses, oracle(poses, true, nearness=0.2))
    assert found["cycle"].item() < 1e-7
    # Depths that are true in parallel projection are not in this one.
    poses, true = people(8)
    assert losses(part, poses, oracle(poses, true))["cycle"].item() > 1e-3


def test_the_wrong_sign_of_a_half_turn_asks_true_depths_to_vanish(people: Any, oracle: Any) -> None:
    poses, true = people(8)
    found = losses(build(half_turn_sign="wrong"), poses, oracle(poses, true))
    expected = 3 * (2 * true[:, 1:, 2]).square().mean()
    assert found["right_angle"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert found["cycle"].item() < 1e-9


def test_a_turned_pose_is_what_the_true_pose_looks_like_from_there(people: Any, oracle: Any) -> None:
    poses, true = people(8)
    judged: list[PoseBatch] = []

    def judge(stage: str, batch: PoseBatch) -> Mapping[str, Tensor]:
        judged.append(batch)
        return size(batch)

    losses(build(mirror=0.0), poses, oracle(poses, true), judge=judge)
    (fake,) = judged
    image, elevation = image_of(fake), math.pi / 18
    # Turned about the root: distances from it stay, and heights hardly change.
    depth = oracle(poses, true)(fake)[..., 2:]
    torch.testing.assert_close(torch.cat([image, depth], -1).norm(dim=-1), true.norm(dim=-1), rtol=1e-3, atol=1e-4)
    reach = true[..., 1].abs() + math.sin(elevation) * true.norm(dim=-1)
    assert (image[..., 1].abs() <= reach + 1e-4).all()
    # Not normalised anew, at the same place in the same picture, and without labels.
    assert image.abs().amax() > 1
    assert torch.equal(fake.joints_2d[:, 0], poses.joints_2d[:, 0])
    assert fake.joints_3d is None
    assert fake.extent is not None


# ---------------------------------------------------------------- by hand and by a slow implementation


def test_losses_by_hand() -> None:
    """One joint at (0.5, 1), and a lifter that says z = 0.25 of whatever it sees; half a turn without elevation."""
    camera = Camera.shared(1, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    poses = PoseBatch(PAIR, torch.tensor([[[100.0, 100.0], [150.0, 200.0]]]), camera)

    def lift(batch: PoseBatch) -> Tensor:
        return torch.tensor([[0.0, 0.0, 7.0], [0.0, 0.0, 7.25]]).expand(len(batch), 2, 3)

    part = build(mirror=0.0, elevation=0.0, azimuth=math.pi / 2, cycle=1.0, right_angle=1.0, adversarial=1.0)
    step = make_step(poses, lift)
    turns = torch.rand(2, generator=torch.Generator().manual_seed(0))[1].item() * 2 - 1
    cos, sin = math.cos(turns * math.pi / 2), math.sin(turns * math.pi / 2)
    found = part.loss(step)
    seen = 0.5 * cos + 0.25 * sin
    back = seen * cos - 0.25 * sin
    assert found["cycle"].item() == pytest.approx((back - 0.5) ** 2 / 2, rel=1e-4)
    quarters = (0.25 + 0.5) ** 2 + (0.25 - 0.5) ** 2
    assert found["right_angle"].item() == pytest.approx(quarters + (0.25 + 0.25) ** 2, rel=1e-5)
    factors = [0.5, 1.0, 1.5, 2.0]
    entries = [0.0, 0.0, seen * factors[2] - 0.0, 1.0 * factors[3]]
    judged = sum((entry - 0.1) ** 2 for entry in entries) / 4
    assert found["adversarial_judge"].item() == pytest.approx(judged, rel=1e-4)


def slowly(
    poses: PoseBatch, lift: Lift, settings: ReprojectionConfig, groups: list[list[int]], seed: int = 0
) -> dict[str, float]:
    """Pose by pose and joint by joint, with matrices, in double precision."""
    generator, n = torch.Generator().manual_seed(seed), len(poses)
    mirrored = torch.rand(1, generator=generator).item() < settings.mirror
    count = 1 if settings.rotations == "batch" else n
    azimuths, elevations = (
        ((2 * torch.rand(count, generator=generator) - 1) * limit).tolist() * (n // count)
        for limit in (settings.azimuth, settings.elevation)
    )
    pixels = poses.joints_2d.double().numpy()
    totals = dict.fromkeys(("cycle", "right_angle", "adversarial_judge"), 0.0)
    for i in range(n):
        centred = pixels[i] - pixels[i][0]
        extent = np.abs(centred).max()

        def depth(image: np.ndarray, i: int = i, extent: float = extent) -> np.ndarray:
            shown = torch.from_numpy(pixels[i][0] + extent * image).float()[None]
            one = poses.select(slice(i, i + 1))
            batch = attrs.evolve(one, joints_2d=shown, extent=torch.tensor([extent], dtype=torch.float32))
            z = lift(batch)[0, :, 2].detach().double().numpy()
            return z - z[0]

        image = centred / extent * ([-1, 1] if mirrored else [1, 1])
        x, y = image.T
        z = depth(image)
        rotation = rows(azimuths[i], elevations[i])
        turned = (np.column_stack([x, y, z]) @ rotation)[:, :2]
        back = (np.column_stack([turned, depth(turned)]) @ np.linalg.inv(rotation))[:, :2]
        quarter, other = depth(np.column_stack([z, y])) + x, depth(np.column_stack([-z, y])) - x
        half = depth(np.column_stack([-x, y])) + z
        for group in groups:
            for j in group:
                totals["cycle"] += np.sum((back[j] - image[j]) ** 2) / 2 / len(group) / n
                totals["right_angle"] += (quarter[j] ** 2 + other[j] ** 2 + half[j] ** 2) / len(group) / n
        factors = np.linspace(0.5, 2, turned.size).reshape(turned.shape)
        totals["adversarial_judge"] += np.mean((turned * factors - 0.1) ** 2) / n
    factor = {"cycle": settings.cycle, "right_angle": settings.right_angle, "adversarial_judge": settings.adversarial}
    return {name: factor[name] * total for name, total in totals.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rotations": "batch", "mirror": 1.0, "adversarial": 0.3, "cycle": 2.0, "right_angle": 7.0},
        {"azimuth": 3.0, "elevation": 1.2, "mirror": 0.0},
    ],
)
@pytest.mark.parametrize("divided", [False, True])
def test_losses_are_those_of_a_slow_implementation(people: Any, settings: dict[str, Any], divided: bool) -> None:
    poses, _ = people(5)
    groups = {"a": (1, 2, 5), "b": (3, 4, *range(6, 17))} if divided else {}
    part = build(**settings)
    found = losses(part, poses, smooth(), groups=groups)
    expected = slowly(poses, smooth(), part.config, [*map(list, groups.values())] or [list(range(1, 17))])
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-4)


# ---------------------------------------------------------------- gradients
