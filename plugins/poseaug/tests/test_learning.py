"""What PoseAug's augmentor learns from, on any skeleton, and how it says that it is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import AugmentorFeedback, BuildContext
from poseplug_poseaug.augmentor import LearnedAugmentation, PoseAug, PoseAugConfig
from poseplug_poseaug.operators import rotated, rotation_matrices

People = Callable[..., PoseBatch]
# The root stands in the middle of the order, and a parent follows its child.
STAR = Skeleton(
    "star", ("tip", "arm", "base", "left", "right"), ("arm", "base", "", "base", "base"), pairs=(("left", "right"),)
)


def build(skeleton: Skeleton = H36M_16, **settings: Any) -> PoseAug:
    return PoseAug(PoseAugConfig(**settings), BuildContext(skeleton=skeleton))


def augment(part: PoseAug, batch: PoseBatch) -> LearnedAugmentation:
    return part.augment(batch, torch.Generator().manual_seed(1))


def silenced(part: PoseAug, *names: str) -> PoseAug:
    """The augmentor with networks that say zero, whatever they see."""
    for name in names:
        for parameter in part.networks[name][-1].parameters():
            torch.nn.init.zeros_(parameter)
    return part


def losses(part: PoseAug, made: LearnedAugmentation, source: PoseBatch, **facts: Any) -> dict[str, torch.Tensor]:
    def lift(batch: PoseBatch) -> torch.Tensor:
        return torch.cat([batch.joints_2d, batch.joints_2d[..., :1]], dim=-1) / 1000

    return dict(part.loss(made, AugmentorFeedback(source, {}, lift, facts.get("progress", 0.5), facts.get("cycle", 1))))


def test_the_loss_reaches_every_network(people: People) -> None:
    batch = people(32)
    for settings in ({}, {"feedback": "exponential", "regulariser": "printed"}):
        part = build(**settings)
        total = sum(losses(part, augment(part, batch), batch).values(), torch.zeros(()))
        total.backward()
        norms = {name: sum(float(p.grad.norm()) for p in net.parameters()) for name, net in part.networks.items()}
        assert all(norm > 0 for norm in norms.values()), norms


def test_losses_are_weighted_sums_of_their_parts(people: People) -> None:
    batch = people(32)
    made = augment(build(), batch)
    plain = losses(build(), made, batch)
    assert set(plain) == {"angle_range", "length_range", "feedback_bones", "feedback_final"}
    other = build(regulariser_weight=6.0, feedback_bones=0.2, feedback_final=0.05, adversarial=0.5)
    twice = losses(other, made, batch)
    for name, factor in {"angle_range": 2, "length_range": 2, "feedback_bones": 2, "feedback_final": 5}.items():
        assert twice[name].item() == pytest.approx(factor * plain[name].item(), rel=1e-5)
    feedback = AugmentorFeedback(batch, {"judge": torch.tensor(0.3)}, lambda b: b.root_relative, 0.0)
    assert other.loss(made, feedback)["adversarial_judge"].item() == pytest.approx(0.15)


def test_feedback_begins_with_its_cycle_and_follows_its_schedule(people: People) -> None:
    batch = people(32)
    part = build(feedback_from_cycle=3, slack_bones=0.0)
    made = augment(part, batch)
    assert set(losses(part, made, batch, cycle=2)) == {"angle_range", "length_range"}
    early, late = (losses(part, made, batch, cycle=3, progress=p)["feedback_bones"].item() for p in (0.0, 1.0))
    assert early != late
    assert "feedback_final" not in losses(build(feedback="none"), made, batch)
    assert "feedback_bones" not in losses(build(feedback_bones=0.0), made, batch)


def test_with_nothing_to_learn_yet_a_step_still_works(people: People) -> None:
    part, batch = build(bone_angle=False, bone_length=False, feedback="none"), people(8)
    found = losses(part, augment(part, batch), batch)
    assert found["nothing"].item() == 0
    assert found["nothing"].requires_grad


@pytest.mark.parametrize(
    "change",
    [
        {"bone_angle": False},
        {"bone_length": False},
        {"rigid": False},
        {"freeze_trunk": False},
        {"noise": 0.5},
        {"length_limit": 0.1},
        {"cameras": "new"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_switch_has_an_effect(people: People, change: dict[str, Any]) -> None:
    batch, results = people(16), []
    for settings in ({}, change):
        torch.manual_seed(1)
        results.append(augment(build(**settings), batch).stages["final"].joints_2d)
    assert not torch.allclose(results[0], results[1])


@pytest.mark.parametrize("skeleton", [STAR, H36M_17], ids=lambda s: s.name)
def test_other_skeletons(people: People, skeleton: Skeleton) -> None:
    batch = people(16, skeleton)
    part = build(skeleton)
    found = losses(part, made := augment(part, batch), batch)
    assert all(loss.isfinite() for loss in found.values())
    assert made.batch.absolute.shape == batch.absolute.shape
    assert made.ratios is not None
    if skeleton is STAR:  # Without a trunk every bone may change.
        assert made.ratios.any(0).all()


# ---------------------------------------------------------------- health


def watched(part: PoseAug, batch: PoseBatch, steps: int = 100) -> dict[str, float]:
    made = augment(part, batch)
    for _ in range(steps):
        part._watch(made)
    return dict(part.diagnostics())


def test_a_healthy_augmentor_says_so(people: People) -> None:
    batch = people(200)
    part = build()
    assert part.diagnostics() == {}
    found = watched(part, batch)
    made = augment(part, batch)
    assert made.accepted is not None
    assert found["accepted"] == pytest.approx(made.accepted.float().mean().item(), rel=1e-4)
    assert found["variety"] > 1
    assert found["collapsed"] == 0
    assert set(part.logs()) == {"turn", "variety", "views", "spread"}


@pytest.mark.parametrize("how", ["out of view", "one place", "one pose"])
def test_a_collapsed_augmentor_says_so(people: People, how: str) -> None:
    batch = people(100)
    part = silenced(build(), "rotation", "translation")
    place = part.networks["translation"][-1].bias
    with torch.no_grad():
        place.copy_(torch.tensor([0.0, 0.0, 2.0] if how != "out of view" else [50.0, 0.0, 1.0]))
    if how == "one pose":
        silenced(part, "angle", "length")
        batch = batch.select(torch.zeros(100, dtype=torch.int64))
    if how == "out of view":
        part.networks["translation"][-1].weight.data.normal_(std=0.05)
    early, late = watched(part, batch, 50), watched(part, batch, 50)
    assert (early["collapsed"], late["collapsed"]) == (0, 1)


def test_bodies_that_are_all_seen_from_one_side_are_a_collapse(people: People) -> None:
    """They move their limbs as they like, and their hips lie along the image."""
    part, batch = build(), people(200)
    body, hips = batch.absolute.clone(), [H36M_16.index("LHip"), H36M_16.index("RHip")]
    body[:, hips] = batch.root[:, None] + torch.tensor([[0.1, 0.0, 0.0], [-0.1, 0.0, 0.0]])
    final = attrs.evolve(batch, joints_3d=body)
    around = torch.rand(200, generator=torch.Generator().manual_seed(1)) * 6.28
    source = turned_about(final, torch.tensor([0.0, 1.0, 0.0]) * around[:, None])
    made = augment(part, batch)
    for last, expected in ((source, 1.0), (final, 0.0)):
        for _ in range(500):
            part._watch(attrs.evolve(made, stages={"source": source, "final": last}, accepted=None))
        found = part.diagnostics()
        assert found["views"] == pytest.approx(expected, abs=0.05)
        assert found["variety"] > 0.25
        assert found["collapsed"] == (last is final)


def turned_about(batch: PoseBatch, vectors: Tensor) -> PoseBatch:
    joints = rotated(rotation_matrices(vectors), batch.root_relative) + batch.root[:, None]
    return attrs.evolve(batch, joints_3d=joints)
