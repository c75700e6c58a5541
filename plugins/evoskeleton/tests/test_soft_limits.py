"""Joint limits that gradients follow: the discriminator and the objective."""

import attrs
import pytest
import torch
from limit_stand_ins import people, straight_thighs

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.interfaces import BuildContext, Step, Stream
from poseplug.core.models.modes import trainable
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.conformance import conformance_tests
from poseplug_evoskeleton.anatomical import Anatomical, AnatomicalConfig
from poseplug_evoskeleton.limit_discriminator import LimitDiscriminator, LimitDiscriminatorConfig

CONTEXT = BuildContext(skeleton=H36M_16)
NAMES = {"action": ("a", "b", "c")}

test_the_discriminator_and_the_conformance_kit = conformance_tests("discriminator", LimitDiscriminator)
test_the_objective_and_the_conformance_kit = conformance_tests("objective", Anatomical)
test_unlabelled_and_the_conformance_kit = conformance_tests("objective", Anatomical, {"unlabelled": "builtin:takes=1"})


def broken(poses):
    """By how much thighs are from straight, a mean over poses and thighs, worked out pose by pose."""
    total = 0.0
    for joints in poses.tolist():
        for side in "LR":
            hip, knee = (joints[H36M_16.index(side + name)] for name in ("Hip", "Knee"))
            thigh = [b - a for a, b in zip(hip, knee, strict=True)]
            total += max(0.0, 0.8 - thigh[1] / sum(x * x for x in thigh) ** 0.5)
    return total / len(poses) / 2


def test_the_loss_is_the_mean_violation():
    part = LimitDiscriminator(LimitDiscriminatorConfig(weight=3.0), CONTEXT)
    part.body = straight_thighs()
    batch = people(30)
    scores = part(batch)
    assert scores.shape == (30, 2)
    assert float(part.adversarial_loss(scores)) == pytest.approx(3 * broken(batch.absolute), rel=1e-5)
    assert not trainable(part)
    assert float(part.loss(scores, scores, torch.Generator())) == 0


def test_descending_brings_random_poses_inside():
    """The limits that ship: poses with random directions go inside along the gradient, and stay."""
    part, limits = LimitDiscriminator(LimitDiscriminatorConfig(), CONTEXT), JointLimits.default()
    batch = people(60, seed=3)
    joints = batch.absolute.clone().requires_grad_()
    before = limits.accepts(joints.detach(), H36M_16).all(1).float().mean()
    optimiser = torch.optim.Adam([joints], lr=5e-3)
    for _ in range(250):
        optimiser.zero_grad()
        part.adversarial_loss(part(batch.moved(joints))).backward()
        assert bool(joints.grad.isfinite().all())
        optimiser.step()
    after = limits.accepts(joints.detach(), H36M_16).all(1).float().mean()
    assert before < 0.5
    assert after > 0.9


def step(streams, lift):
    return Step(streams, lift, lambda stage, poses: {}, torch.Generator().manual_seed(0), 0.5, one_pass=False)


def made(context=CONTEXT, **settings):
    part = Anatomical(AnatomicalConfig(**settings), context)
    part.body = straight_thighs()
    return part


def test_the_objective_adds_the_weighted_violation():
    training, reference = people(20), people(12, seed=1)
    lifted = {20: people(20, seed=5).root_relative, 12: people(12, seed=6).root_relative}
    streams = (Stream("training", training), Stream("reference", reference, factor=0.5))
    losses = made(weight=0.3).loss(step(streams, lambda batch: lifted[len(batch)]))
    squares = (lifted[20] - training.root_relative).square().mean()
    assert float(losses["supervised"]) == pytest.approx(float(squares), rel=1e-5)
    assert float(losses["anatomy"]) == pytest.approx(0.3 * broken(lifted[20]), rel=1e-5)
    assert float(losses["anatomy_reference"]) == pytest.approx(0.15 * broken(lifted[12]), rel=1e-5)
    assert losses.keys() == {"supervised", "counterfactual", "anatomy", "anatomy_reference"}


def test_weights_of_poses_count():
    batch = attrs.evolve(people(2), weight=torch.tensor([2.0, 0.0]))
    lifted = people(2, seed=5).root_relative
    losses = made(weight=1.0).loss(step((Stream("training", batch),), lambda _: lifted))
    assert float(losses["anatomy"]) == pytest.approx(broken(lifted[:1]), rel=1e-5)


def test_poses_without_labels():
    """A reference in 2D only, and a further source whose 3D nobody sees."""
    seen = []

    def lift(batch):
        seen.append(batch)
        return people(len(batch), seed=8).root_relative

    context = BuildContext(skeleton=H36M_16, build=lambda kind, text: PoseTable(people(40), NAMES))
    part = made(context, weight=1.0, unlabelled="x", unlabelled_share=0.5)
    flat = attrs.evolve(people(10, seed=2), joints_3d=None)
    losses = part.loss(step((Stream("training", people(16)), Stream("reference", flat)), lift))
    assert losses.keys() == {"supervised", "anatomy", "anatomy_reference", "anatomy_unlabelled"}
    assert [len(batch) for batch in seen] == [16, 10, 8]
    assert seen[-1].joints_3d is None
    expected = broken(people(8, seed=8).root_relative)
    assert float(losses["anatomy_unlabelled"]) == pytest.approx(expected, rel=1e-5)


def test_predictions_without_any_label_go_inside():
    """A lifter that says one pose for each of 40 people in 2D, trained by nothing but the limits that ship."""
    flat = attrs.evolve(people(40, seed=4), joints_3d=None)
    said = torch.nn.Parameter(people(40, seed=9).root_relative)
    part, limits = Anatomical(AnatomicalConfig(), CONTEXT), JointLimits.default()
    before = limits.accepts(said.detach(), H36M_16).all(1).float().mean()
    optimiser = torch.optim.Adam([said], lr=5e-3)
    for _ in range(250):
        optimiser.zero_grad()
        sum(part.loss(step((Stream("training", flat),), lambda _: said)).values()).backward()
        optimiser.step()
    assert before < 0.5
    assert limits.accepts(said.detach(), H36M_16).all(1).float().mean() > 0.9


def test_what_users_may_get_wrong():
    with pytest.raises(PoseplugError, match="within a run"):
        Anatomical(AnatomicalConfig(unlabelled="x"), CONTEXT)
    context = BuildContext(skeleton=H36M_17, build=lambda kind, text: PoseTable(people(4), NAMES))
    with pytest.raises(PoseplugError, match="'x' has the skeleton 'h36m16', and this run has 'h36m17'"):
        Anatomical(AnatomicalConfig(unlabelled="x"), context)
