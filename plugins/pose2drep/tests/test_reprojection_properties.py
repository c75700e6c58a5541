"""Gradients, symmetries and draws of the objective, and what it may see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import torch
from reprojection_kit import CONTEXT, Lift, build, image_of, losses, rows, size, smooth
from torch import Tensor

import poseplug_pose2drep.reprojection as module
from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.interfaces import Stream
from poseplug.core.models.lifting_model import LiftingModel
from poseplug_pose2drep.lifters import IndependentLegTorso, IndependentLimbs, RepresentationConfig
from poseplug_pose2drep.views import Views


def part_losses(poses: PoseBatch, lift: Lift, joints: list[int], share: float, turn: Any) -> Tensor:
    """One part's own loss, in the plainest terms: w1 times its share, and means over its own joints."""

    def depth(image: Tensor) -> Tensor:
        extent = (poses.joints_2d - poses.joints_2d[:, :1]).abs().amax((1, 2))
        shown = poses.joints_2d[:, :1] + extent[:, None, None] * image
        return lift(attrs.evolve(poses, joints_2d=shown, extent=extent))[..., 2]

    image = max_normalised(poses.joints_2d, 0)
    x, y = image.unbind(-1)
    z = depth(image)
    turned = (torch.stack([x, y, z], -1) @ turn)[..., :2]
    back = (torch.cat([turned, depth(turned)[..., None]], -1) @ turn.mT)[..., :2]
    cycle = (back - image)[:, joints].square().mean()
    quarters = (depth(torch.stack([z, y], -1)) + x)[:, joints].square().mean()
    quarters = quarters + (depth(torch.stack([-z, y], -1)) - x)[:, joints].square().mean()
    half = (depth(torch.stack([-x, y], -1)) + z)[:, joints].square().mean()
    factors = torch.linspace(0.5, 2, image[0].numel()).view_as(image[0])
    judged = (turned * factors - 0.1).square().mean()
    return share * judged + 10 * cycle + 3 * (quarters + half)


@pytest.mark.parametrize("cls", [IndependentLegTorso, IndependentLimbs])
def test_one_backward_pass_is_a_loss_for_each_part(people: Any, cls: Any) -> None:
    """The gradients are those of each part's own loss, handed over as a mapping, with w1 scaled by its joints."""
    poses, _ = people(5)
    lifter = cls(RepresentationConfig(channels=16), CONTEXT)
    model = LiftingModel(lifter, H36M_17, head=build().output_head(lifter, H36M_17))
    groups, members = lifter.group_joints(), lifter.parameter_groups()
    found = losses(build(mirror=0.0, rotations="batch"), poses, model, groups=groups)
    torch.stack(list(found.values())).sum().backward()
    together = {name: [p.grad.clone() for p in parameters] for name, parameters in members.items()}
    lifter.zero_grad()
    generator = torch.Generator().manual_seed(0)
    torch.rand(1, generator=generator)
    azimuth, elevation = (
        (2 * torch.rand(1, generator=generator).item() - 1) * limit for limit in (8 * math.pi / 9, math.pi / 18)
    )
    turn = torch.from_numpy(rows(azimuth, elevation)).float()
    for name, joints in groups.items():
        loss = part_losses(poses, model, list(joints), len(joints) / 16, turn)
        loss.backward(inputs=members[name])  # type: ignore[no-untyped-call]
        apart = [p.grad for p in members[name]]
        torch.testing.assert_close(together[name], apart, rtol=2e-3, atol=1e-6)
        assert any(gradient.abs().max() > 1e-3 for gradient in together[name])


def test_gradients_flow_through_both_lifts(people: Any) -> None:
    """Nothing is detached: the derivative along a change of the lifter is that of the loss itself."""
    poses, _ = people(5)
    part = build(adversarial=0.5)

    def total(factor: Tensor) -> Tensor:
        return torch.stack(list(losses(part, poses, smooth(factor)).values())).sum()  # type: ignore[arg-type]

    factor = torch.tensor(0.8, requires_grad=True)
    (gradient,) = torch.autograd.grad(total(factor), factor)
    step = 1e-2
    with torch.no_grad():
        difference = (total(factor + step) - total(factor - step)) / (2 * step)
    assert gradient.item() == pytest.approx(difference.item(), rel=1e-2)


# ---------------------------------------------------------------- symmetry, draws, weights


@pytest.mark.parametrize("rotations", ["sample", "batch"])
def test_the_sign_of_all_depths_is_open(people: Any, monkeypatch: pytest.MonkeyPatch, rotations: str) -> None:
    """With -G and turns the other way round, the losses and the fakes are the same; in perspective they are not."""
    poses, _ = people(6)
    uniform = module._uniform

    def run(sign: float, **settings: Any) -> tuple[dict[str, float], Tensor]:
        fakes: list[Tensor] = []

        def judge(stage: str, batch: PoseBatch) -> Mapping[str, Tensor]:
            fakes.append(batch.joints_2d)
            return size(batch)

        opposite = (lambda step, count: 1 - uniform(step, count)) if sign < 0 else uniform
        monkeypatch.setattr(module, "_uniform", opposite)
        found = losses(build(rotations=rotations, mirror=0.0, **settings), poses, smooth(sign), judge=judge)
        return {name: value.item() for name, value in found.items()}, fakes[0]

    (one, fakes), (other, mirrored) = run(1.0), run(-1.0)
    assert one == pytest.approx(other, rel=1e-4)
    torch.testing.assert_close(fakes, mirrored, rtol=1e-4, atol=1e-2)
    one, other = (run(sign, projection="perspective", distance=3.0)[0] for sign in (1.0, -1.0))
    assert one["cycle"] != pytest.approx(other["cycle"], rel=1e-3)


def test_an_extent_of_its_own_is_kept(people: Any) -> None:
    poses, _ = people(4)
    extent = torch.tensor([50.0, 60.0, 70.0, 80.0])
    views = Views.of(attrs.evolve(poses, extent=extent), smooth())
    expected = (poses.joints_2d - poses.joints_2d[:, :1]) / extent[:, None, None]
    torch.testing.assert_close(views.original, expected)
    torch.testing.assert_close(image_of(views.shown(views.original)), expected, rtol=1e-4, atol=1e-5)


def test_weights_count_poses(people: Any) -> None:
    poses, _ = people(6)
    weight, drawn = torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0, 3.0]), torch.tensor([2.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    part = build(mirror=0.0)
    weighed = Stream("training", attrs.evolve(poses, weight=weight), drawn)
    found = losses(part, poses, smooth(), streams=(weighed,))
    each = torch.stack([losses(part, poses.select(slice(i, i + 1)), smooth())["right_angle"] for i in range(6)])
    torch.testing.assert_close(found["right_angle"], (each * weight * drawn).mean(), rtol=1e-4, atol=0)
    # Reference poses, where a reweighter weighs them, add a mean of their own.
    streams = Stream("training", poses.select(slice(3))), Stream("reference", poses.select(slice(3, 6)), weight[3:])
    found = losses(part, poses, smooth(), streams=streams)
    expected = each[:3].mean() + (each[3:] * weight[3:]).mean()
    torch.testing.assert_close(found["right_angle"], expected, rtol=1e-4, atol=0)


def test_it_never_reads_3d_labels(people: Any) -> None:
    poses, _ = people(6)
    poisoned = attrs.evolve(poses, joints_3d=torch.full((6, 17, 3), float("nan")))
    judged: list[PoseBatch] = []

    def judge(stage: str, batch: PoseBatch) -> Mapping[str, Tensor]:
        judged.append(batch)
        return size(batch)

    one, other = (losses(build(), shown, smooth(), judge=judge) for shown in (poses, poisoned))
    assert {k: v.item() for k, v in one.items()} == {k: v.item() for k, v in other.items()}
    assert all(batch.joints_3d is None for batch in judged)


def test_its_depths_are_read_with_as_many_labels_as_it_is_told() -> None:
    lifter = IndependentLegTorso(RepresentationConfig(channels=8), CONTEXT)
    assert build().output_head(lifter, H36M_17).labelled_poses == 100
    head = build(labelled_poses=7).output_head(lifter, H36M_17)
    assert head.labelled_poses == 7
    assert not head.needs_fit  # nothing but labelled poses may tell it of 3D
    assert head.groups == lifter.group_joints()
