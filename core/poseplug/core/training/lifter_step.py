"""What the lifter learns in a step: the objective asks the lifter and the discriminators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.normalise import extents
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.step import Loss, Step, Stream
from poseplug.core.interfaces import Discriminator, Objective
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.models.modes import evaluating

Scope = Callable[[], AbstractContextManager[object]]
# The objective's losses, for each discriminator the fakes that it was asked about, and the lifter's logs.
Learned = tuple[Mapping[str, Loss], dict[str, PoseBatch], Mapping[str, Tensor]]


class LifterStep(nn.Module):
    """The losses of one lifter in one step, the fakes that its objective made, and its logs."""

    def __init__(self, objective: Objective, model: LiftingModel, discriminators: Mapping[str, Discriminator]) -> None:
        super().__init__()
        self.objective = objective
        self.model = model
        # A module's name must not hold the colon of "dist:name".
        self.judges = dict(discriminators)
        self.discriminators = nn.ModuleList(self.judges.values())

    def forward(
        self, streams: tuple[Stream, ...], generator: torch.Generator, progress: float, one_pass: bool, autocast: Scope
    ) -> Learned:
        """Take the step up to its losses; see ``Step`` for what it is of. The lifter computes within ``autocast()``."""
        fakes: dict[str, PoseBatch] = {}

        def lift(batch: PoseBatch) -> Tensor:
            with autocast():
                joints: Tensor = self.model(batch)
            return joints.float() if joints.dtype is torch.bfloat16 else joints

        def adversarial_loss(stage: str, batch: PoseBatch) -> dict[str, Tensor]:
            said = {}
            for name, discriminator in self.judges.items():
                if stage in (discriminator.stage, "final"):
                    with evaluating(discriminator):
                        said[name] = discriminator.adversarial_loss(discriminator(batch))
                    add_fakes(fakes, name, batch.detached())
            return said

        groups = self.model.lifter.group_joints()
        step = Step(streams, lift, adversarial_loss, generator, progress, groups, one_pass)
        with self.model.inputs.drawing(generator):  # of several seeds that are tried together, it is a copy
            losses = self.objective.loss(step)
        return losses, fakes, self.model.lifter.logs()


def add_fakes(fakes: dict[str, PoseBatch], name: str, batch: PoseBatch) -> None:
    """Add to what a discriminator is to tell from real poses; each pose keeps the extent that it is seen with."""
    batches = [fakes[name], batch] if name in fakes else [batch]
    if any(each.extent is not None for each in batches):
        seen = (extents(b.joints_2d, b.skeleton.root) if b.extent is None else b.extent for b in batches)
        batches = [attrs.evolve(b, extent=extent) for b, extent in zip(batches, seen, strict=True)]
    fakes[name] = PoseBatch.join(batches)
