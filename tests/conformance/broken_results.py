"""Components that are constructed, or do what their interface says, wrongly in one thing."""

import warnings

import attrs
import torch
from conformance.detectors import Unpaired
from conformance.keepers import Counter, Shrinking, SizeError, SizeReweighter, SizeShares, Source, TwoPartLifter
from torch import nn

from poseplug.core.interfaces import Augmentation


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


class OfThreeParts(SizeError):
    """Has three figures for each pose, of which the core knows nothing."""

    def measure(self, comparison):
        return {"parts_mm": comparison.errors[:, :3]}


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


BREAKERS = {
    "constructs": [("lifter", Unconstructible)],
    "works": [
        ("lifter", DoublePrecision),
        ("lifter", MissingJoint),
        ("source", DrawsFloat64),
        ("reweighter", ScalarWeights),
        ("augmentor", LosesPoses),
        ("metric", OfThreeParts),
        ("hook", FailsAtTheEnd),
        ("detector", Unpaired),
    ],
    "sizes": [("lifter", Squeezing)],
    "skeletons": [("augmentor", SixteenOnly)],
    "finite": [("augmentor", DividesByLength), ("lifter", RootOfZero), ("reweighter", EmptyCells)],
    "no_warnings": [("lifter", Warns), ("lifter", WarnsInTorch)],
}
