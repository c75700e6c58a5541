"""Components that pass on gradients where they should not, or none where they should."""

import attrs
import torch
from conformance.detectors import DetachedSpots
from conformance.keepers import DepthRoot, PairObjective, SizeDiscriminator, SizeReweighter, Source, TwoPartLifter, size
from torch import nn


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


BREAKERS = {
    "gradients": [
        ("lifter", Detached),
        ("lifter", OpaqueInEvaluation),
        ("discriminator", DetachedAdvice),
        ("root", DetachedRoot),
        ("objective", DetachedObjective),
        ("detector", DetachedSpots),
    ],
    "no-gradients": [("reweighter", LearntWeights), ("source", DifferentiablePoses)],
}
