from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.conformance import conformance_tests
from poseplug_poseaug.adversary import Adversary
from poseplug_poseaug.kcs import KCS, FullKCS, KCSConfig, PartKCS
from poseplug_poseaug.operators import rotation_matrices
from poseplug_poseaug.pose2d import Pose2D, Pose2DConfig

People = Callable[..., PoseBatch]
CONTEXT = BuildContext(skeleton=H36M_16)
PARTS = [(7, 9, 10, 11), (7, 12, 13, 14), (0, 3, 4, 5, 6), (0, 1, 2, 3, 6), (0, 3, 6, 7, 8, 9, 12)]

test_part_kcs_and_the_conformance_kit = conformance_tests("discriminator", PartKCS)
test_full_kcs_and_the_conformance_kit = conformance_tests("discriminator", FullKCS)
test_pose2d_and_the_conformance_kit = conformance_tests("discriminator", Pose2D)


def dense_scores(critic: KCS, parts: list[tuple[int, ...]], batch: PoseBatch) -> Tensor:
    """The released code's way: bones outside a part are zeroed, the whole matrix is flattened."""
    directions = functional.normalize(bone_vectors(batch.absolute, H36M_16), dim=-1)
    scores = []
    for part, network in zip(parts, critic.critics, strict=True):
        masked = torch.zeros_like(directions)
        masked[:, list(part)] = directions[:, list(part)]
        matrix = (masked @ masked.mT).flatten(1)
        first = functional.leaky_relu(matrix @ network.enter.weight.T + network.enter.bias, 0.01)
        third = network.third(functional.leaky_relu(network.second(first), 0.01)) + first
        scores.append(network.score(functional.leaky_relu(network.narrow(third), 0.01)))
    return torch.cat(scores, dim=1)


def test_parameters_are_those_of_the_paper() -> None:
    def count(part: Adversary) -> int:
        return sum(p.numel() for p in part.parameters())

    assert count(PartKCS(KCSConfig(), CONTEXT)) == 1_076_205 == 5 * 215_241
    assert count(FullKCS(KCSConfig(), CONTEXT)) == 215_241
    assert count(Pose2D(Pose2DConfig(), CONTEXT)) == 43_801


def test_pose2d_gives_the_golden_score() -> None:
    part = Pose2D(Pose2DConfig(), CONTEXT)
    for parameter in part.parameters():
        torch.nn.init.constant_(parameter, 0.05)
    screen = torch.tensor([[(0.1 * j - 0.5, 1 / (j + 1)) for j in range(16)]])
    camera = Camera.shared(1, (1.0, 1.0), (0.0, 0.0), (800.0, 800.0))
    assert part(PoseBatch(H36M_16, (screen + 1) * 400, camera)).item() == pytest.approx(1400.92, rel=1e-5)


@pytest.mark.parametrize(("kind", "parts"), [(PartKCS, PARTS), (FullKCS, [tuple(range(15))])])
def test_scores_are_those_of_the_whole_masked_matrices(people: People, kind: type[KCS], parts: Any) -> None:
    critic, batch = kind(KCSConfig(), CONTEXT), people(200)
    expected = dense_scores(critic, parts, batch)
    torch.testing.assert_close(critic(batch), expected, rtol=1e-4, atol=1e-4)
    gradients = []
    for scores in (critic(batch), expected):
        critic.zero_grad()
        scores.square().sum().backward()
        gradients.append([p.grad.clone() for p in critic.parameters() if p.grad is not None])
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-3, atol=1e-3 * float(slow.abs().max()))


@pytest.mark.parametrize("kind", [PartKCS, FullKCS])
def test_kcs_sees_angles_only(people: People, kind: type[KCS]) -> None:
    critic, batch = kind(KCSConfig(), CONTEXT), people(20)
    scores = critic(batch)
    bones = bone_vectors(batch.absolute, H36M_16)
    rotation = rotation_matrices(torch.randn(20, 3) * 2)
    longer = bones * (0.5 + torch.rand(20, 15, 1))
    for joints in (
        batch.absolute + torch.randn(20, 1, 3),
        batch.root_relative @ rotation.mT,
        joints_from_bones(longer, batch.root, H36M_16),
    ):
        torch.testing.assert_close(critic(attrs.evolve(batch, joints_3d=joints)), scores, rtol=1e-3, atol=1e-3)
    turned = bones.clone()
    turned[:, 4] = bones[:, 4] @ rotation_matrices(torch.tensor([[0.5, 0.0, 0.3]]))[0]
    changed = critic(attrs.evolve(batch, joints_3d=joints_from_bones(turned, batch.root, H36M_16)))
    moved = (changed - scores).abs().amax(0) > 1e-3
    assert moved.tolist() == ([False, False, True, False, False] if kind is PartKCS else [True])


def test_losses_are_least_squares() -> None:
    part = Pose2D(Pose2DConfig(weight=3.0), CONTEXT)
    real, fake = torch.tensor([[1.0, 0.5], [0.0, 1.0]]), torch.tensor([[0.2, 0.0], [1.0, -0.4]])
    assert part.loss(real, fake, torch.Generator()).item() == pytest.approx(
        0.5 * ((0.25 + 1) / 4 + (0.04 + 1 + 0.16) / 4)
    )
    assert part.adversarial_loss(fake).item() == pytest.approx(3 * 0.5 * (0.64 + 1 + 0 + 1.96) / 4)
    assert part.update_every == 2
    assert KCSConfig().weight == 6
    assert part.diagnostics()["accuracy_real"] == 0.5  # 0.5 is not above one half
    assert part.diagnostics()["accuracy_fake"] == 0.75


def test_a_discriminator_that_always_wins_says_so() -> None:
    part = PartKCS(KCSConfig(), CONTEXT)
    assert part.diagnostics() == {}
    for _ in range(100):
        part.loss(torch.ones(4, 5), torch.zeros(4, 5), torch.Generator())
    assert part.diagnostics() == {"accuracy_real": 1, "accuracy_fake": 1, "loss": 0, "collapsed": 1}
    for _ in range(20):
        part.loss(torch.ones(4, 5), torch.ones(4, 5), torch.Generator())
    assert part.diagnostics()["collapsed"] == 0
    assert part.logs()["accuracy_fake"].item() == 0


@pytest.mark.parametrize("part", [PartKCS(KCSConfig(pool=8), CONTEXT), Pose2D(Pose2DConfig(pool=8), CONTEXT)])
def test_remembered_poses_score_as_they_did(people: People, part: Adversary, generator: torch.Generator) -> None:
    old, new = people(8, seed=1), people(8, seed=2)
    # The new fakes' images have another size.
    size = torch.tensor([[640.0, 480.0]]).expand(8, 2)
    new = attrs.evolve(new, camera=attrs.evolve(new.camera, size=size))
    assert part.remember(old, generator).joints_2d.allclose(old.joints_2d, atol=1e-2)
    mixed = part(part.remember(new, generator))
    known = torch.cat([part(old), part(new)])
    assert ((mixed[:, None] - known[None]).abs().amax(-1).amin(1) < 1e-3).all()
    from_old = ((mixed[:, None] - part(old)[None]).abs().amax(-1).amin(1) < 1e-3).sum()
    assert 0 < from_old < 8


def test_no_pool_is_no_memory(people: People, generator: torch.Generator) -> None:
    part, batch = PartKCS(KCSConfig(pool=0), CONTEXT), people(8)
    assert part.remember(batch, generator) is batch


def build_with(source: Any) -> BuildContext:
    return attrs.evolve(CONTEXT, build=lambda kind, text: source if (kind, text) == ("source", "mpii:path=x") else None)


def test_extra_poses_take_the_place_of_a_share(people: People, generator: torch.Generator) -> None:
    extra = people(30, distorted=False, seed=5)
    table = PoseTable(attrs.evolve(extra, joints_3d=None))
    part = Pose2D(Pose2DConfig(extra_2d="mpii:path=x", extra_share=0.25), build_with(table))
    batch = people(12)
    real = part.real(batch, generator)
    assert len(real) == 12
    assert torch.equal(real.joints_2d[:9], batch.joints_2d[3:])
    assert all(any(torch.equal(row, known) for known in extra.joints_2d) for row in real.joints_2d[9:])
    assert part(real).shape == (12, 1)
    assert Pose2D(Pose2DConfig(), CONTEXT).real(batch, generator) is batch


def test_extra_poses_of_another_skeleton_are_refused(people: People) -> None:
    table = PoseTable(people(4, H36M_17))
    with pytest.raises(
        PoseplugError, match="'extra_2d': 'mpii:path=x' has the skeleton 'h36m17', and this run has 'h36"
    ):
        Pose2D(Pose2DConfig(extra_2d="mpii:path=x"), build_with(table))
    with pytest.raises(PoseplugError, match="'extra_2d': a source can only be named within a run"):
        Pose2D(Pose2DConfig(extra_2d="mpii:path=x"), CONTEXT)


def test_skeletons_that_cannot_be_judged_are_refused() -> None:
    bare = Skeleton("bare", ("a", "b", "c"), ("", "a", "b"))
    with pytest.raises(PoseplugError, match="'kcs_part'.*'bare' has none.*use 'kcs_full'"):
        PartKCS(KCSConfig(), BuildContext(skeleton=bare))
    assert FullKCS(KCSConfig(), BuildContext(skeleton=bare)).space.pairs == [[(0, 0), (0, 1), (1, 1)]]
    with pytest.raises(PoseplugError, match="'kcs_full' judges angles, and skeleton 'dot' has one bone"):
        FullKCS(KCSConfig(), BuildContext(skeleton=Skeleton("dot", ("a", "b"), ("", "a"))))
