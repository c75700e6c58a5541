"""What the lifter learns in a step: the objective asks the lifter and the discriminators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.normalise import extents
from poseplug.core.data.step import Loss, Step, Stream
from poseplug.core.interfaces import Discriminator, Objective
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.models.modes import evaluating

# The objective's losses, for each discriminator the fakes that it was asked about, and the lifter's logs.
Learned = tuple[Mapping[str, Loss], dict[str, PoseBatch], Mapping[str, Tensor]]


@attrs.frozen
class Conditions:
    """What holds for all of a step.

    Attributes:
        generator: for what the objective draws.
        progress: share of the training that is done, 0 to 1.
        one_pass: whether all streams go through the lifter in one batch.
        autocast: the context manager factory that the lifter computes in.
    """

    generator: torch.Generator
    progress: float = 0.0
    one_pass: bool = True
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext


class LifterStep(nn.Module):
    """The losses of one lifter in one step, the fakes that its objective made, and its logs.

    Args:
        objective: the training regime.
        model: the lifter.
        discriminators: by name.
    """

    def __init__(self, objective: Objective, model: LiftingModel, discriminators: Mapping[str, Discriminator]) -> None:
        super().__init__()
        self.objective = objective
        self.model = model
        self.names = tuple(discriminators)
        self.discriminators = nn.ModuleList(discriminators.values())

    def judges(self) -> list[tuple[str, Discriminator]]:
        """Return the discriminators by name."""
        return [(name, cast(Discriminator, d)) for name, d in zip(self.names, self.discriminators, strict=True)]

    def forward(self, streams: Mapping[str, Stream], conditions: Conditions) -> Learned:
        """Take the step with poses by the name of their stream, up to the losses."""
        fakes: dict[str, PoseBatch] = {}

        def lift(batch: PoseBatch) -> Tensor:
            with conditions.autocast():
                joints: Tensor = self.model(batch)
            return joints.float() if joints.dtype is torch.bfloat16 else joints

        def adversarial_loss(stage: str, batch: PoseBatch) -> dict[str, Tensor]:
            said = {}
            for name, discriminator in self.judges():
                if stage in (discriminator.stage, "final"):
                    with evaluating(discriminator):
                        said[name] = discriminator.adversarial_loss(discriminator(batch))
                    add_fakes(fakes, {name: batch.detached()})
            return said

        step = Step(
            streams=tuple(streams.values()),
            lift=lift,
            adversarial_loss=adversarial_loss,
            generator=conditions.generator,
            progress=conditions.progress,
            groups=self.model.lifter.group_joints(),
            one_pass=conditions.one_pass,
        )
        losses = self.objective.loss(step)
        return losses, fakes, self.model.lifter.logs()


def add_fakes(fakes: dict[str, PoseBatch], more: Mapping[str, PoseBatch]) -> None:
    """Add to what each discriminator is to tell from real poses, each pose with the extent that it is seen with."""
    for name, batch in more.items():
        batches = [fakes[name], batch] if name in fakes else [batch]
        if any(each.extent is not None for each in batches):
            batches = list(map(_with_extent, batches))
        fakes[name] = PoseBatch.join(batches)


def _with_extent(batch: PoseBatch) -> PoseBatch:
    if batch.extent is not None:
        return batch
    return attrs.evolve(batch, extent=extents(batch.joints_2d, batch.skeleton.root))
