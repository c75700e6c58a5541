"""One small component of each kind that keeps every promise; the broken ones differ from them in one thing."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
from conformance.detectors import Spots
from torch import nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.metric import Metric
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.hooks import RunHook
from poseplug.core.interfaces import (
    Augmentation,
    Augmentor,
    Discriminator,
    FiniteSource,
    InputProvider,
    Lifter,
    Objective,
    Reweighter,
    RootEstimator,
)
from poseplug.core.settings import REQUIRED, setting
from poseplug.registry.conformance.poses import LABELS, plausible_poses


@attrs.frozen(kw_only=True)
class SourceConfig:
    """Settings of Source."""

    size: int = setting(50, "number of poses", minimum=1)
    noise: float = setting(0.5, "noise on joints_2d", unit="pixels", minimum=0)


class Source(FiniteSource):
    """A few poses, with noise on what the camera sees."""

    Config = SourceConfig

    def __init__(self, config, context):
        self.poses = plausible_poses(config.size, H36M_16, context.device, seed=40)
        self.skeleton = self.poses.skeleton
        self.label_names = LABELS
        self.noise = config.noise

    def sample(self, n, generator):
        index = torch.randint(len(self.poses), (n,), generator=generator, device=generator.device)
        seen = self.poses.select(index)
        noise = torch.randn(seen.joints_2d.shape, generator=generator, device=generator.device)
        return attrs.evolve(seen, joints_2d=seen.joints_2d + self.noise * noise)

    def __len__(self):
        return len(self.poses)

    def batches(self, size):
        for start in range(0, len(self), size):
            yield self.poses.select(slice(start, start + size))


@attrs.frozen(kw_only=True)
class FileConfig:
    """Settings of FileSource."""

    path: str = setting(REQUIRED, "a file with the number of poses in it", path=True)


class FileSource(Source):
    """Poses that need a file, of which the class writes a sample for the kit."""

    Config = FileConfig

    def __init__(self, config, context):
        super().__init__(SourceConfig(size=int(Path(config.path).read_text()), noise=0), context)

    @classmethod
    def example_settings(cls, folder):
        (folder / "poses.txt").write_text("30")
        return {"path": str(folder / "poses.txt")}


@attrs.frozen(kw_only=True)
class WidthConfig:
    """A width."""

    width: int = setting(16, "width of the hidden layer", minimum=1)


class TwoPartLifter(Lifter):
    """A hidden layer with batch normalisation and dropout, then plane and depth, trained one after the other."""

    Config = WidthConfig

    def __init__(self, config, context):
        super().__init__()
        joints = context.layout.num_joints
        self.hidden = nn.Sequential(
            nn.Linear(2 * joints, config.width), nn.BatchNorm1d(config.width), nn.ReLU(), nn.Dropout(0.1)
        )
        self.plane = nn.Linear(config.width, 2 * joints)
        self.depth = nn.Linear(config.width, joints)

    def forward(self, joints_2d, **inputs):
        x = self.hidden(joints_2d.flatten(1))
        return torch.cat([self.plane(x).unflatten(1, (-1, 2)), self.depth(x)[..., None]], dim=-1)

    def parameter_groups(self):
        trunk = [*self.hidden.parameters(), *self.plane.parameters()]
        return {"plane": trunk, "depth": list(self.depth.parameters())}

    @classmethod
    def default_phases(cls, config):
        plane = {"name": "plane", "share": 0.3, "trains": ("lifter:plane",), "lr": 0.01}
        return (plane, {"name": "depth", "share": 0.7, "trains": ("lifter:depth",), "fresh": True})


class Scaling(Augmentor):
    """Scales poses by a trained factor and some noise."""

    def __init__(self, config, context):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros((), device=context.device))

    def augment(self, batch, generator):
        scale = self.log_scale.exp() * (1 + 0.1 * self.noise(len(batch), generator))
        root = batch.root[:, None]
        made = batch.moved(root + (batch.absolute - root) * scale[:, None, None])
        return Augmentation(made, {"bones": made})

    def noise(self, n, generator):
        return torch.rand(n, generator=generator, device=generator.device)

    def loss(self, augmentation, feedback):
        error = (feedback.lift(augmentation.batch) - augmentation.batch.root_relative).square().mean()
        return {"feedback": -0.01 * error, **feedback.adversarial_losses}


class Shrinking(Augmentor):
    """Scales poses by half; there is nothing to train."""

    def __init__(self, config, context):
        super().__init__()

    def augment(self, batch, generator):
        root = batch.root[:, None]
        return Augmentation(batch.moved(root + (batch.absolute - root) * 0.5))


class SizeReweighter(Reweighter):
    """Weighs poses by their size over the mean size of the reference."""

    mean: torch.Tensor

    def __init__(self, config, context):
        super().__init__()
        self.register_buffer("mean", torch.zeros((), device=context.device))

    def fit(self, training, reference, generator):
        self.mean.copy_(size(reference.sample(50, generator)).mean())

    def weigh(self, training, reference):
        return {"reference": size(reference) / self.mean}


class SizeShares(Reweighter):
    """Weighs training poses by how common their size is in the reference, small or large."""

    more = 1
    ratio: torch.Tensor

    def __init__(self, config, context):
        super().__init__()
        self.register_buffer("ratio", torch.ones(2, device=context.device))

    def fit(self, training, reference, generator):
        above, below = (self.count(source.sample(500, generator)) for source in (reference, training))
        self.ratio.copy_((above / below).clamp_max(5))

    def weigh(self, training, reference):
        return {"training": self.ratio[self.cells(training)]}

    def count(self, batch):
        return torch.bincount(self.cells(batch), minlength=2) + self.more

    def cells(self, batch):
        return (size(batch).sqrt() > 0.25).long()


class SizeDiscriminator(Discriminator):
    """Judges the size of a pose, with a memory of one batch of fakes."""

    kept: torch.Tensor

    def __init__(self, config, context):
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.register_buffer("kept", torch.zeros(0, context.layout.num_joints, 3, device=context.device))

    def forward(self, batch):
        return self.layer(size(batch)[:, None])

    def loss(self, real, fake, generator):
        return (real - 1).square().mean() + fake.square().mean()

    def adversarial_loss(self, fake):
        return (fake - 1).square().mean()

    def remember(self, fake, generator):
        old = self.kept if len(self.kept) == len(fake) else fake.absolute
        self.kept = fake.absolute.clone()
        return fake.moved(old)

    def _load_from_state_dict(self, state, prefix, *arguments):
        self.kept = torch.empty_like(state[f"{prefix}kept"])
        super()._load_from_state_dict(state, prefix, *arguments)


class DepthRoot(RootEstimator):
    """Finds people by their height in the image."""

    def __init__(self, config, context):
        super().__init__()
        self.height = nn.Parameter(torch.tensor(1.7, device=context.device))

    def forward(self, *, joints_2d, camera):
        pixels = (joints_2d[..., 1].amax(1) - joints_2d[..., 1].amin(1)).clamp_min(1e-3)
        return camera.unproject(joints_2d[:, :1], (camera.focal[:, 1] * self.height / pixels)[:, None])[:, 0]

    def loss(self, roots, batch, **inputs):
        return {"distance": (roots - batch.root).abs().mean()}


class PairObjective(Objective):
    """Pulls the output together, without labels."""

    needs_3d = False

    def __init__(self, config, context):
        super().__init__()

    def loss(self, step):
        lifted = step.lift(step.poses)
        return {"pull": lifted.square().mean(), "parts": {"plane": lifted[..., :2].abs().mean()}}


@attrs.frozen(kw_only=True)
class SizeErrorConfig:
    """Settings of SizeError."""

    power: float = setting(1.0, "power of the ratio of sizes", minimum=0)


class SizeError(Metric):
    """How much larger a pose is than the true one, per cent."""

    Config = SizeErrorConfig

    def __init__(self, config, context):
        self.power = config.power

    def measure(self, comparison):
        sizes = comparison.predicted.abs().mean((1, 2)), comparison.target.abs().mean((1, 2)).clamp_min(1e-3)
        return {"size": 100 * (sizes[0] / sizes[1]) ** self.power}


class Widths(InputProvider):
    """How much wider people's boxes are than they are themselves, pixels."""

    reads = frozenset({"boxes"})

    def provide(self, batch, *, boxes):
        width = batch.joints_2d[..., 0].amax(1) - batch.joints_2d[..., 0].amin(1)
        return boxes[:, 2] - boxes[:, 0] - width


class DepthErrors(Metric):
    """The error of absolute depth of each joint."""

    needs_root = True

    def measure(self, comparison):
        return {"depth_mm": (comparison.absolute - comparison.truth.absolute)[..., 2].abs() * 1000}

    def heading(self, figure):
        return ""


@attrs.frozen(kw_only=True)
class CounterConfig:
    """Settings of Counter."""

    every: int = setting(1, "steps between counts", minimum=1)


class Counter(RunHook):
    """Counts steps."""

    Config = CounterConfig

    def __init__(self, config, context):
        self.every = config.every
        self.steps = 0

    def on_step(self, step, losses):
        self.steps += step % self.every == 0

    def on_evaluation(self, label, evaluation):
        return {"steps": float(self.steps)}


def size(batch: PoseBatch) -> torch.Tensor:
    return batch.root_relative.square().mean((1, 2))


KEEPERS = {
    "source": [Source, FileSource],
    "augmentor": [Scaling, Shrinking],
    "reweighter": [SizeReweighter, SizeShares],
    "lifter": [TwoPartLifter],
    "discriminator": [SizeDiscriminator],
    "root": [DepthRoot],
    "objective": [PairObjective],
    "input": [Widths],
    "metric": [SizeError, DepthErrors],
    "hook": [Counter],
    "detector": [Spots],
}
