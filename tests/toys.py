"""Small components for tests of the engine: as simple as the interfaces allow, on a skeleton of five joints."""

from __future__ import annotations

import attrs
import torch
from torch import nn

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import (
    Augmentation,
    Augmentor,
    BuildContext,
    Discriminator,
    Lifter,
    Objective,
    OutputHead,
    PoseSource,
    Reweighter,
    RootEstimator,
)
from poseplug.core.models.dense import Dense, Norm, dropout
from poseplug.core.settings import setting

# The root stands in the middle of the order, and a parent follows its child.
STAR = Skeleton(
    name="star",
    joints=("tip", "arm", "base", "left", "right"),
    parents=("arm", "base", "", "base", "base"),
    pairs=(("left", "right"),),
)
CONTEXT = BuildContext(skeleton=STAR)


def star_batch(n: int, generator: torch.Generator) -> PoseBatch:
    joints = torch.randn(n, 5, 3, generator=generator) * 0.3
    joints[..., 2] += 5
    camera = Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    return PoseBatch.seen(STAR, joints, camera, origin=Origin.CAPTURED)


class StarSource(PoseSource):
    """Random five-joint poses."""

    skeleton = STAR

    def sample(self, n, generator):
        return star_batch(n, generator)


class FlatSource(StarSource):
    """The same poses, 2D only."""

    has_3d = False

    def sample(self, n, generator):
        return attrs.evolve(star_batch(n, generator), joints_3d=None)


@attrs.frozen(kw_only=True)
class LinearConfig:
    dropout: float = setting(0.0, "dropout", minimum=0, maximum=1)


class LinearLifter(Lifter):
    """One linear layer with batch normalisation before it, in two named parts."""

    Config = LinearConfig

    def __init__(self, config=LinearConfig(), context=CONTEXT):
        nn.Module.__init__(self)
        self.joints = context.layout.num_joints
        self.norm = nn.BatchNorm1d(self.joints * 2)
        self.dropout = nn.Dropout(config.dropout)
        self.flat = nn.Linear(self.joints * 2, self.joints * 2)
        self.depth = nn.Linear(self.joints * 2, self.joints)

    def forward(self, joints_2d, **inputs):
        x = self.dropout(self.norm(joints_2d.flatten(1)))
        return torch.cat([self.flat(x).unflatten(1, (self.joints, 2)), self.depth(x)[..., None]], dim=-1)

    def parameter_groups(self):
        return {"flat": list(self.flat.parameters()), "depth": list(self.depth.parameters())}


class TwoPartLifter(LinearLifter):
    """Its plane (with the normalisation) and its depth are parameter groups; notes what phases begin."""

    def __init__(self, config=LinearConfig(), context=CONTEXT):
        super().__init__(config, context)
        self.begun = []

    def parameter_groups(self):
        plane = [*self.norm.parameters(), *self.flat.parameters()]
        return {"plane": plane, "depth": list(self.depth.parameters())}

    def begin_phase(self, groups):
        self.begun.append(groups)


class DeepLifter(Lifter):
    """The blocks that fast lifters are made of: two layers with normalisation and dropout, and tied weights."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        self.enter = Dense(10, 24, bias=False)  # its gradient would be rounding errors, which Adam makes large
        self.norm = Norm(24)
        self.inner = Dense(24, 24)
        self.again = self.inner
        self.leave = Dense(24, 15)
        self.leave.bias.requires_grad_(False)

    def forward(self, joints_2d, **inputs):
        x = dropout(self.norm(self.enter(joints_2d.flatten(1)), relu=True), self.dropout, self.training)
        return self.leave(self.again(self.inner(x).relu())).unflatten(1, (5, 3))


class StubbornLifter(LinearLifter):
    """Looks at its values, which vmap cannot."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d) * (1.0 if joints_2d.sum().item() > -1e9 else 0.0)


class HalfReweighter(Reweighter):
    """Weighs reference poses by 0.5 and training poses by 2, and notes that it was fitted."""

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)
        self.register_buffer("fitted", torch.zeros(()))

    def fit(self, training, reference, generator):
        self.fitted += len(training.sample(7, generator)) + len(reference.sample(3, generator))

    def weigh(self, training, reference):
        return {"training": torch.full((len(training),), 2.0), "reference": torch.full((len(reference),), 0.5)}

    def logs(self):
        return {"mean": torch.tensor(0.5)}

    def diagnostics(self):
        return {"fitted": float(self.fitted)}


class ScalingAugmentor(Augmentor):
    """Scales poses about their root by a trained factor; shows the scaled pose as stage "bones"."""

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)
        self.log_scale = nn.Parameter(torch.zeros(()))

    def augment(self, batch, generator):
        root = batch.root[:, None]
        moved = batch.moved(root + (batch.absolute - root) * self.log_scale.exp())
        return Augmentation(moved, {"bones": moved})

    def loss(self, augmentation, feedback):
        error = (feedback.lift(augmentation.batch) - augmentation.batch.root_relative).square().mean()
        return {"feedback": -0.01 * error, **feedback.adversarial_losses}


class SizeDiscriminator(Discriminator):
    """Judges the size of a pose in 3D."""

    stage = "bones"

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)
        self.linear = nn.Linear(1, 1)
        self.batches = 0

    def forward(self, batch):
        self.batches += 1
        return self.linear(batch.root_relative.square().mean((1, 2))[:, None])

    def loss(self, real, fake, generator):
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())

    def adversarial_loss(self, fake):
        return 0.5 * (fake - 1).square().mean()


class MeanRoot(RootEstimator):
    """Predicts one root for all."""

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)
        self.where = nn.Parameter(torch.tensor([0.0, 0.0, 4.0]))

    def forward(self, *, joints_2d, camera):
        return self.where.expand(len(joints_2d), 3)

    def loss(self, roots, batch, **inputs):
        return {"distance": (roots - batch.root).square().sum(-1).mean()}


class SignHead(OutputHead):
    """Reads depths up to one sign for all, which twenty labelled poses tell."""

    labelled_poses = 20

    def __init__(self):
        super().__init__()
        self.register_buffer("sign", torch.ones(()))

    def forward(self, batch, output):
        return output * torch.stack([self.sign.abs(), self.sign.abs(), self.sign])

    def calibrate(self, batch, output):
        self.sign.copy_((output[..., 2] * batch.root_relative[..., 2]).sum().sign())
        return {"sign": self.sign.clone()}

    def diagnostics(self):
        return {"sign": float(self.sign)}


class PartObjective(Objective):
    """Gives each part of LinearLifter a loss of its own and reads no labels."""

    needs_3d = False

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)

    def loss(self, step):
        assert step.poses.joints_3d is None
        lifted = step.lift(step.poses)
        return {"pull": {"flat": lifted.square().mean(), "depth": (lifted - 1).square().mean()}}


class CriticObjective(Objective):
    """Asks the discriminators about poses that it makes itself."""

    needs_discriminator = True

    def __init__(self, config=None, context=CONTEXT):
        nn.Module.__init__(self)

    def loss(self, step):
        made = step.poses.moved(step.lift(step.poses) + step.poses.root[:, None])
        return dict(step.adversarial_loss("final", made))
