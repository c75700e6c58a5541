"""The discriminator: size, what it looks at, losses and flipped labels."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import torch

from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.interfaces import BuildContext
from poseplug_pose2drep.discriminator import Pose2DResidual, Pose2DResidualConfig


def build(**settings: Any) -> Pose2DResidual:
    settings = {"channels": 32, **settings}
    return Pose2DResidual(Pose2DResidualConfig(**settings), BuildContext(skeleton=H36M_17))


def test_its_size_is_that_of_the_released_code() -> None:
    assert sum(p.numel() for p in build(channels=1024).parameters()) == 6_332_417
    assert build().learning_rate == 2e-4


def test_it_judges_shape_and_nothing_else(people: Any) -> None:
    judge, (batch, _) = build(), people()
    scores = judge(batch)
    elsewhere = attrs.evolve(batch, joints_2d=3 * batch.joints_2d + 50)
    torch.testing.assert_close(judge(elsewhere), scores, rtol=1e-4, atol=1e-5)
    assert scores.shape == (6, 1)
    # With an extent of its own a pose keeps its size: half as large is not the same.
    root = batch.joints_2d[:, :1]
    extent = (batch.joints_2d - root).abs().amax((1, 2))
    small = attrs.evolve(batch, joints_2d=(batch.joints_2d + root) / 2, extent=extent)
    assert not torch.allclose(judge(small), scores, atol=1e-3)
    torch.testing.assert_close(judge(attrs.evolve(small, extent=extent / 2)), scores, rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_equation_6() -> None:
    judge = build(weight=2.5)
    real, fake = torch.tensor([[0.8], [1.3]]), torch.tensor([[0.4], [-0.2], [0.6]])
    by_hand = 0.5 * ((0.04 + 0.09) / 2 + (0.16 + 0.04 + 0.36) / 3)
    assert judge.loss(real, fake, torch.Generator()).item() == pytest.approx(by_hand, rel=1e-5)
    assert judge.adversarial_loss(fake).item() == pytest.approx(2.5 * (0.36 + 1.44 + 0.16) / 3, rel=1e-5)
    assert judge.logs()["accuracy_real"].item() == 1
    assert judge.logs()["accuracy_fake"].item() == pytest.approx(2 / 3)


def test_flipped_labels_exchange_real_and_fake() -> None:
    real, fake = torch.randn(5, 1), torch.randn(5, 1)
    flipped, never = build(label_flip=1.0), build(label_flip=0.0)
    torch.testing.assert_close(flipped.loss(real, fake, torch.Generator()), never.loss(fake, real, torch.Generator()))
    assert not torch.allclose(flipped.loss(real, fake, torch.Generator()), never.loss(real, fake, torch.Generator()))
    # Those who make the fakes are always told the truth.
    torch.testing.assert_close(flipped.adversarial_loss(fake), never.adversarial_loss(fake))


def test_labels_are_flipped_as_often_as_asked_and_batch_by_batch() -> None:
    judge, generator = build(), torch.Generator().manual_seed(0)
    real, fake = torch.ones(4, 1), torch.zeros(4, 1)
    losses = [judge.loss(real, fake, generator).item() for _ in range(3000)]
    # All labels of a batch or none: a perfect judge loses 0 or 1. Four standard deviations about 10 %.
    assert set(losses) == {0.0, 1.0}
    assert sum(losses) / 3000 == pytest.approx(0.1, abs=4 * (0.09 / 3000) ** 0.5)


def test_real_poses_are_mirrored_as_whole_batches(people: Any) -> None:
    batch, _ = people()
    generator, root = torch.Generator().manual_seed(0), batch.joints_2d[:, :1]
    mirror = root + (batch.joints_2d - root) * torch.tensor([-1.0, 1.0])
    judge, mirrored = build(), 0
    for _ in range(400):
        given = judge.real(batch, generator).joints_2d
        other = torch.allclose(given, mirror, atol=1e-3)
        assert other or torch.allclose(given, batch.joints_2d, atol=1e-3)
        mirrored += other
    assert mirrored / 400 == pytest.approx(0.5, abs=0.1)
    torch.testing.assert_close(build(mirror=0.0).real(batch, generator).joints_2d, batch.joints_2d)
