"""Components that cannot be repeated: by their random numbers, what they change, or a hidden state."""

import random

import attrs
import numpy as np
import torch
from conformance.keepers import Counter, DepthRoot, Scaling, Shrinking, SizeReweighter, Source, TwoPartLifter, size

from poseplug.core.interfaces import Augmentation


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


BREAKERS = {
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
}
