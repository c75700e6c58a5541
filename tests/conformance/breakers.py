"""Components that are wrong in one thing: each breaks the one promise that it stands under, and no other."""

from __future__ import annotations

import random
import warnings

import attrs
import numpy as np
import torch
from conformance.keepers import (
    Counter,
    CounterConfig,
    DepthRoot,
    PairObjective,
    Scaling,
    Shrinking,
    SizeDiscriminator,
    SizeError,
    SizeReweighter,
    SizeShares,
    Source,
    TwoPartLifter,
    WidthConfig,
    Widths,
    size,
)
from torch import nn

from poseplug.core.interfaces import Augmentation, OutputHead
from poseplug.core.settings import setting

# ---------------------------------------------------------------- description and settings


class Undocumented(TwoPartLifter):
    __doc__ = None


@attrs.frozen(kw_only=True)
class WrongDefaultConfig:
    """A default that is not allowed."""

    width: int = setting(0, "width of the hidden layer", minimum=1)


class WrongDefault(TwoPartLifter):
    """Cannot be configured by default."""

    Config = WrongDefaultConfig


@attrs.frozen(kw_only=True)
class UnexplainedConfig:
    """A setting without explanation."""

    width: int = setting(16, "", minimum=1)


class Unexplained(TwoPartLifter):
    """Has a setting without explanation."""

    Config = UnexplainedConfig


@attrs.define(kw_only=True, hash=True)
class ChangeableConfig:
    """Settings that can change under a run."""

    width: int = setting(16, "width of the hidden layer", minimum=1)


class Changeable(TwoPartLifter):
    """Has settings that can change."""

    Config = ChangeableConfig


@attrs.frozen(kw_only=True)
class ListConfig:
    """A setting that cannot be typed."""

    width: list[int] = setting([16], "width of the hidden layer")  # noqa: RUF009


class Listed(TwoPartLifter):
    """Has a setting of a type that the command line does not know."""

    Config = ListConfig

    def __init__(self, config, context):
        super().__init__(WidthConfig(width=config.width[0]), context)


def _hidden():
    class Hidden(TwoPartLifter):
        """Cannot be found by name in another process."""

    return Hidden


@attrs.frozen(kw_only=True)
class UnboundedConfig:
    """A width without a lower bound."""

    width: int = setting(16, "width of the hidden layer")


class Unbounded(TwoPartLifter):
    """Takes a negative width, and fails with it."""

    Config = UnboundedConfig


@attrs.frozen(kw_only=True)
class AnyRateConfig:
    """A number that may be NaN."""

    width: int = setting(16, "width of the hidden layer", minimum=1)
    rate: float = attrs.field(default=0.5, metadata={"doc": "nothing much"})


class AnyRate(TwoPartLifter):
    """Takes NaN for a number."""

    Config = AnyRateConfig

    def __init__(self, config, context):
        super().__init__(config, context)
        self.rate = config.rate


@attrs.frozen(kw_only=True)
class DeadSettingConfig(WidthConfig):
    """A setting that nothing reads."""

    resume: bool = setting(False, "go on from the last checkpoint")


class DeadSetting(TwoPartLifter):
    """Has a setting that does nothing."""

    Config = DeadSettingConfig


# ---------------------------------------------------------------- construction and results


class Unconstructible(TwoPartLifter):
    """Fails when constructed."""

    def __init__(self, config, context):
        raise RuntimeError("no licence file")


class DoublePrecision(TwoPartLifter):
    """Returns float64."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d).double()


class MissingJoint(TwoPartLifter):
    """Leaves out the root."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d)[:, 1:]


class DrawsFloat64(Source):
    """Draws poses in double precision."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, joints_3d=batch.absolute.double())


class ScalarWeights(SizeReweighter):
    """Gives one weight for all poses."""

    def weigh(self, training, reference):
        return {"reference": super().weigh(training, reference)["reference"].mean()}


class LosesPoses(Shrinking):
    """Gives back fewer poses than it was given."""

    def augment(self, batch, generator):
        return Augmentation(super().augment(batch, generator).batch.select(slice(len(batch) // 2)))


class Squeezing(TwoPartLifter):
    """Drops the batch dimension of a batch of one."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d).squeeze()


class SixteenOnly(Shrinking):
    """Knows the joints of Human3.6M by number."""

    def augment(self, batch, generator):
        factor = torch.ones(16, 1, device=batch.device)
        factor[13:] = 0.5
        root = batch.root[:, None]
        return Augmentation(batch.moved(root + (batch.absolute - root) * factor))


class DividesByLength(Shrinking):
    """Divides by the length of bones, which may be zero."""

    def augment(self, batch, generator):
        relative = batch.root_relative
        largest = relative.norm(dim=-1).amax(1)[:, None, None]
        return Augmentation(batch.moved(batch.root[:, None] + relative / largest * 0.5))


class EmptyCells(SizeShares):
    """Divides one share by another, and both may be zero."""

    more = 0


class RootOfZero(TwoPartLifter):
    """Its output is finite for coinciding joints; its gradient is not."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, joints_2d, **inputs):
        spread = (self.gain * (joints_2d - joints_2d[:, :1])).square().sum((1, 2)).sqrt()
        return super().forward(joints_2d) + spread[:, None, None]

    def parameter_groups(self):
        return {**super().parameter_groups(), "gain": [self.gain]}


# ---------------------------------------------------------------- repeatability


class Unseeded(Scaling):
    """Draws from a generator of its own, seeded by the clock."""

    def noise(self, n, generator):
        own = torch.Generator(generator.device)
        own.seed()
        return torch.rand(n, generator=own, device=generator.device)


class GlobalTorch(Shrinking):
    """Draws from torch's global generator."""

    def augment(self, batch, generator):
        root = batch.root[:, None]
        return Augmentation(batch.moved(root + (batch.absolute - root) * torch.rand(len(batch), 1, 1)))


class GlobalFit(SizeReweighter):
    """Draws from torch's global generator when it is fitted."""

    def fit(self, training, reference, generator):
        super().fit(training, reference, generator)
        self.mean *= 1 + 0.01 * torch.rand(1, device=self.mean.device)[0]


class GlobalOrder(Source):
    """Draws from torch's global generator when it is gone through in order."""

    def batches(self, size):
        torch.rand(1)
        yield from super().batches(size)


class GlobalNumpy(Source):
    """Draws from NumPy's global generator."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        noise = torch.from_numpy(np.random.rand(*batch.joints_2d.shape))  # noqa: NPY002
        return attrs.evolve(batch, joints_2d=batch.joints_2d + self.noise * noise.float())


class GlobalPython(Counter):
    """Draws from Python's global generator."""

    def on_step(self, step, losses):
        self.steps += random.random() < 0.5


class SeedsTorch(TwoPartLifter):
    """Seeds torch's global generator, so that every seed trains the same network."""

    def __init__(self, config, context):
        torch.manual_seed(0)
        super().__init__(config, context)


class ChangesInput(Shrinking):
    """Moves the poses that it was handed."""

    def augment(self, batch, generator):
        batch.joints_3d[..., 2] += 0.1
        return super().augment(batch, generator)


class ChangesJoints(TwoPartLifter):
    """Moves the normalised joints that it was handed."""

    def forward(self, joints_2d, **inputs):
        joints_2d -= joints_2d.mean(1, keepdim=True)
        return super().forward(joints_2d)


class ChangesInputOfRoot(DepthRoot):
    """Moves the root in the 2D joints that it was handed, and back again."""

    def forward(self, *, joints_2d, camera):
        joints_2d += 1
        joints_2d -= 1
        return super().forward(joints_2d=joints_2d, camera=camera)


class ChangesData(SizeReweighter):
    """Scales the data that it is fitted to."""

    def fit(self, training, reference, generator):
        super().fit(training, reference, generator)
        if hasattr(training, "poses"):
            training.poses.joints_2d.mul_(1)


class ChangesResult(Counter):
    """Writes into the result of the run."""

    def on_report(self, result, directory):
        result["steps_counted"] = self.steps


class HiddenState(TwoPartLifter):
    """Keeps a random matrix where no checkpoint sees it."""

    def __init__(self, config, context):
        super().__init__(config, context)
        joints = context.layout.num_joints
        self.mixing = torch.randn(joints, joints, device=context.device)

    def forward(self, joints_2d, **inputs):
        return super().forward(self.mixing @ joints_2d)


class HiddenFit(SizeReweighter):
    """Keeps what was fitted where no checkpoint sees it."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.fitted = torch.ones((), device=context.device)

    def fit(self, training, reference, generator):
        self.fitted = size(reference.sample(50, generator)).mean()

    def weigh(self, training, reference):
        return {"reference": size(reference) / self.fitted}


# ---------------------------------------------------------------- gradients


class Detached(TwoPartLifter):
    """Cuts the gradient to its hidden layer."""

    def forward(self, joints_2d, **inputs):
        x = self.hidden(joints_2d.flatten(1)).detach()
        return torch.cat([self.plane(x).unflatten(1, (-1, 2)), self.depth(x)[..., None]], dim=-1)


class OpaqueInEvaluation(TwoPartLifter):
    """Passes no gradient on in evaluation, where augmentors would learn from it."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d if self.training else joints_2d.detach())


class DetachedAdvice(SizeDiscriminator):
    """Tells nothing to those who make the fakes."""

    def adversarial_loss(self, fake):
        return super().adversarial_loss(fake.detach())


class DetachedRoot(DepthRoot):
    """Has a loss that does not train it."""

    def loss(self, roots, batch, **inputs):
        return {"distance": (roots.detach() - batch.root).abs().mean()}


class DetachedObjective(PairObjective):
    """Has a loss that does not train the lifter."""

    def loss(self, step):
        return {"pull": step.lift(step.poses).detach().square().mean()}


class LearntWeights(SizeReweighter):
    """Gives weights that carry a gradient."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.power = nn.Parameter(torch.ones((), device=context.device))

    def weigh(self, training, reference):
        return {"reference": (size(reference) / self.mean) ** self.power}


class DifferentiablePoses(Source):
    """Draws poses that carry a gradient."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, joints_3d=batch.absolute.clone().requires_grad_())


# ---------------------------------------------------------------- one kind's own promises


class ShiftedPixels(Source):
    """Gives 2D joints that are not where the camera sees them."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, joints_2d=batch.joints_2d + 3)


class BehindTheCamera(Source):
    """Gives people who stand behind the camera."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, joints_3d=-batch.absolute)


class ForgetsTheLast(Source):
    """Leaves out the last batch, if it is not a full one."""

    def batches(self, size):
        yield self.poses.select(slice(0, len(self) - 1))


class Reorders(Source):
    """Gives its poses in another order every time."""

    passes = 0

    def batches(self, size):
        self.passes += 1
        yield self.poses.select(torch.arange(len(self), device=self.poses.device).roll(self.passes))


class NamelessActions(Source):
    """Does not name its actions."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.label_names = {"subject": self.label_names["subject"]}


class DropsLabels(Shrinking):
    """Loses the labels."""

    def augment(self, batch, generator):
        return Augmentation(attrs.evolve(super().augment(batch, generator).batch, labels={}))


class Sequential(Source):
    """Goes through its poses, and so draws others the second time."""

    at = 0

    def sample(self, n, generator):
        self.at += n
        return self.poses.select((torch.arange(n, device=self.poses.device) + self.at) % len(self.poses))


class NegativeWeights(SizeReweighter):
    """Gives weights below zero."""

    def weigh(self, training, reference):
        return {"reference": size(reference) / self.mean - 1}


class WeighsNothing(SizeReweighter):
    """Gives no weights at all."""

    def weigh(self, training, reference):
        return {}


class SubtractsBatchMean(TwoPartLifter):
    """Lifts a pose by comparing it with the others of the batch."""

    def forward(self, joints_2d, **inputs):
        joints = super().forward(joints_2d)
        return joints - joints.mean(0)


class UngroupedDepth(TwoPartLifter):
    """Leaves a part out of its parameter groups."""

    def parameter_groups(self):
        return {"depth": super().parameter_groups()["depth"]}


class SharedTrunk(TwoPartLifter):
    """Says that its joints come from independent parts, which share their hidden layer."""

    def group_joints(self):
        return {"plane": tuple(range(1, 8)), "depth": tuple(range(8, self.depth.out_features))}


class RelativeWidths(Widths):
    """Compares people with the others of the batch."""

    def provide(self, batch, *, boxes):
        widths = super().provide(batch, boxes=boxes)
        return widths - widths.mean()


class UnknownPhase(TwoPartLifter):
    """Is trained by default in a phase that names no group of its own."""

    @classmethod
    def default_phases(cls, config):
        return ({"name": "all", "share": 1.0, "trains": ("lifter:everything",)},)


class GrowingMemory(SizeDiscriminator):
    """Returns more fakes than it is given."""

    def remember(self, fake, generator):
        return type(fake).join([fake, fake])


class Peeks(PairObjective):
    """Looks at labels that it says it does not need."""

    def loss(self, step):
        losses = super().loss(step)
        if step.poses.joints_3d is not None:
            losses["peek"] = (step.lift(step.poses) - step.poses.root_relative).square().mean()
        return losses


class UndeclaredCritic(PairObjective):
    """Calls discriminators without saying so."""

    def loss(self, step):
        fake = attrs.evolve(step.poses, joints_3d=step.lift(step.poses))
        return {**super().loss(step), **step.adversarial_loss("final", fake)}


class IdleCritic(PairObjective):
    """Says that it needs a discriminator, and does not."""

    needs_discriminator = True


class FlatHead(PairObjective):
    """Declares an output head that makes no poses."""

    class Flat(OutputHead):
        """Leaves out the depth."""

        def forward(self, batch, output):
            return output[..., :2]

    def output_head(self, lifter, skeleton):
        return self.Flat()


class Silent(Counter):
    """Overrides no event."""

    on_step = Counter.__mro__[1].on_step
    on_evaluation = Counter.__mro__[1].on_evaluation


class Misspelt(Counter):
    """Misspells an event."""

    def on_steps(self, step, losses):
        pass


class MissingArgument(Counter):
    """Takes too few arguments."""

    def on_step(self, step):
        self.steps += 1


class OfThreeParts(SizeError):
    """Has three figures for each pose, of which the core knows nothing."""

    def measure(self, comparison):
        return {"parts_mm": comparison.errors[:, :3]}


class NumberedHeading(SizeError):
    """Calls its figure by a number."""

    def heading(self, figure):
        return 1


class OverTheBatch(SizeError):
    """Measures poses in units of their mean."""

    def measure(self, comparison):
        (size,) = super().measure(comparison).values()
        return {"size": size / size.nanmean()}


class NoNumberIsAMiss(SizeError):
    """Takes what is no number for a bad prediction."""

    def measure(self, comparison):
        return {"near": (super().measure(comparison)["size"] < 110).float()}


class ClipsErrors(SizeError):
    """Clips the errors that other metrics look at, too."""

    def measure(self, comparison):
        return {"clipped_mm": comparison.errors.clamp_max_(100)}


class Warns(TwoPartLifter):
    """Makes Python warn when it is constructed."""

    def __init__(self, config, context):
        super().__init__(config, context)
        warnings.warn("channels are few", stacklevel=2)


class WarnsInTorch(TwoPartLifter):
    """Makes PyTorch warn, which does so once per process if nobody asks for more."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d) + 0 * joints_2d.T.mean()


class FailsAtTheEnd(Counter):
    """Fails when the run is finished."""

    def on_report(self, result, directory):
        raise OSError("no space left on device")


@attrs.frozen(kw_only=True)
class AnyIntervalConfig(CounterConfig):
    """An interval that may be zero."""

    every: int = setting(1, "steps between counts", minimum=0)


class AnyInterval(Counter):
    """Divides by an interval that may be zero."""

    Config = AnyIntervalConfig


# Promise -> (kind, component that breaks it).
BREAKERS = {
    "described": [("lifter", Undocumented)],
    "defaults": [("lifter", WrongDefault)],
    "settings": [("lifter", Unexplained), ("lifter", Changeable), ("lifter", Listed)],
    "picklable": [("lifter", _hidden())],
    "constructs": [("lifter", Unconstructible)],
    "works": [
        ("lifter", DoublePrecision),
        ("lifter", MissingJoint),
        ("source", DrawsFloat64),
        ("reweighter", ScalarWeights),
        ("augmentor", LosesPoses),
        ("metric", OfThreeParts),
        ("hook", FailsAtTheEnd),
    ],
    "sizes": [("lifter", Squeezing)],
    "skeletons": [("augmentor", SixteenOnly)],
    "finite": [("augmentor", DividesByLength), ("lifter", RootOfZero), ("reweighter", EmptyCells)],
    "refusals": [("lifter", Unbounded), ("lifter", AnyRate), ("hook", AnyInterval)],
    "settings-read": [("lifter", DeadSetting)],
    "seeded": [("augmentor", Unseeded)],
    "random-state": [
        ("augmentor", GlobalTorch),
        ("reweighter", GlobalFit),
        ("source", GlobalOrder),
        ("source", GlobalNumpy),
        ("hook", GlobalPython),
        ("lifter", SeedsTorch),
    ],
    "input": [
        ("augmentor", ChangesInput),
        ("hook", ChangesResult),
        ("lifter", ChangesJoints),
        ("root", ChangesInputOfRoot),
        ("reweighter", ChangesData),
    ],
    "state": [("lifter", HiddenState), ("reweighter", HiddenFit)],
    "gradients": [
        ("lifter", Detached),
        ("lifter", OpaqueInEvaluation),
        ("discriminator", DetachedAdvice),
        ("root", DetachedRoot),
        ("objective", DetachedObjective),
    ],
    "no-gradients": [("reweighter", LearntWeights), ("source", DifferentiablePoses)],
    "projection": [("source", ShiftedPixels), ("source", BehindTheCamera)],
    "order": [("source", ForgetsTheLast), ("source", Reorders)],
    "labels": [("source", NamelessActions), ("augmentor", DropsLabels)],
    "stateless": [("source", Sequential)],
    "weights": [("reweighter", NegativeWeights), ("reweighter", WeighsNothing)],
    "rows": [("input", RelativeWidths)],
    "independence": [("lifter", SubtractsBatchMean), ("metric", OverTheBatch)],
    "headings": [("metric", NumberedHeading)],
    "nan": [("metric", NoNumberIsAMiss)],
    "shared": [("metric", ClipsErrors)],
    "groups": [("lifter", UngroupedDepth)],
    "parts": [("lifter", SharedTrunk)],
    "phases": [("lifter", UnknownPhase)],
    "memory": [("discriminator", GrowingMemory)],
    "blind": [("objective", Peeks)],
    "declared": [("objective", UndeclaredCritic), ("objective", IdleCritic)],
    "head": [("objective", FlatHead)],
    "no_warnings": [("lifter", Warns), ("lifter", WarnsInTorch)],
    "events": [("hook", Silent), ("hook", Misspelt), ("hook", MissingArgument)],
}
