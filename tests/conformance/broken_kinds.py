"""Components that break one promise of their own kind."""

import attrs
import torch
from conformance.detectors import Crowd
from conformance.keepers import (
    Counter,
    PairObjective,
    Shrinking,
    SizeDiscriminator,
    SizeError,
    SizeReweighter,
    Source,
    TwoPartLifter,
    Widths,
    size,
)

from poseplug.core.interfaces import Augmentation, OutputHead


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


class SecretReader(TwoPartLifter):
    """Finds out only when it is built that it reads boxes."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.reads = frozenset({"boxes"})


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


BREAKERS = {
    "projection": [("source", ShiftedPixels), ("source", BehindTheCamera)],
    "order": [("source", ForgetsTheLast), ("source", Reorders)],
    "labels": [("source", NamelessActions), ("augmentor", DropsLabels)],
    "stateless": [("source", Sequential)],
    "weights": [("reweighter", NegativeWeights), ("reweighter", WeighsNothing)],
    "rows": [("input", RelativeWidths)],
    "independence": [("lifter", SubtractsBatchMean), ("metric", OverTheBatch), ("detector", Crowd)],
    "headings": [("metric", NumberedHeading)],
    "nan": [("metric", NoNumberIsAMiss)],
    "shared": [("metric", ClipsErrors)],
    "groups": [("lifter", UngroupedDepth)],
    "parts": [("lifter", SharedTrunk)],
    "phases": [("lifter", UnknownPhase)],
    "reads": [("lifter", SecretReader)],
    "memory": [("discriminator", GrowingMemory)],
    "blind": [("objective", Peeks)],
    "declared": [("objective", UndeclaredCritic), ("objective", IdleCritic)],
    "head": [("objective", FlatHead)],
    "events": [("hook", Silent), ("hook", Misspelt), ("hook", MissingArgument)],
}
