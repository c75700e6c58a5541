"""Seeds side by side: equally built lifters and discriminators trained as one, their tensors stacked to [S, ...].

A step draws S times as many poses, and each seed's objective sees those of its own and its own lifter, as if it were
alone. What the seeds share is what was drawn for them, and the parts that have nothing to train.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.step import Stream
from poseplug.core.interfaces import Discriminator, Trained
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.lifter_step import LifterStep
from poseplug.core.training.stacked_modules import Stack


class StackedDiscriminator(Discriminator):
    """Discriminators of several seeds, trained as one; each judges and remembers its own seed's poses."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.members = cast(tuple[Discriminator, ...], stack.members)
        for name in ("stage", "learning_rate", "update_every"):
            setattr(self, name, getattr(self.members[0], name))

    def forward(self, batch: PoseBatch) -> Tensor:
        scores: Tensor = self.stack(dealt(batch, len(self.members)))
        return scores

    def loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        return self._mean(lambda member, real, fake: member.loss(real, fake, generator), real, fake)

    def adversarial_loss(self, fake: Tensor) -> Tensor:
        return self._mean(lambda member, fake: member.adversarial_loss(fake), fake)

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        return self._each(batch, lambda member, own: member.real(own, generator))

    def remember(self, fake: PoseBatch, generator: torch.Generator) -> PoseBatch:
        return self._each(fake, lambda member, own: member.remember(own, generator))

    def logs(self) -> Mapping[str, Tensor]:
        return means([member.logs() for member in self.members])

    def _mean(self, of: Callable[..., Tensor], *scores: Tensor) -> Tensor:
        count = len(self.members)
        values = [of(member, *(own[i::count] for own in scores)) for i, member in enumerate(self.members)]
        self.stack.adopt_buffers()
        return torch.stack(values).mean()

    def _each(self, batch: PoseBatch, of: Callable[[Discriminator, PoseBatch], PoseBatch]) -> PoseBatch:
        count = len(self.members)
        batch = dealt(batch, count)
        made = PoseBatch.join([of(m, batch.select(slice(i, None, count))) for i, m in enumerate(self.members)])
        self.stack.adopt_buffers()
        return made.select(torch.arange(len(made), device=made.device).view(count, -1).T.flatten())


class _LifterSteps(Stack):
    """The steps of the lifters, each with its own people."""

    def forward(self, first: tuple[Stream, ...], *others: Any) -> Any:
        return super().forward(tuple(map(self._dealt, first)), *others)

    def _dealt(self, stream: Stream) -> Stream:
        batch = dealt(stream.batch, len(self.members))
        weights = None if stream.weights is None else stream.weights[: len(batch)]
        return attrs.evolve(stream, batch=batch, weights=weights)


def dealt(batch: PoseBatch, count: int) -> PoseBatch:
    """Return the people of a batch as so many seeds deal them out among themselves, which parts those of a scene.

    How many people there are in scenes is nobody's choice, so those who are left over go nowhere.
    """
    if batch.scenes is None:
        return batch
    return batch.alone().select(slice(len(batch) - len(batch) % count))


def side_by_side(assemblies: Sequence[Assembly]) -> Assembly:
    """Return the assembly that trains lifters and discriminators of equally built assemblies as one.

    All else is the first one's: what has no parameters.

    Raises:
        PoseplugError: the parts of different seeds have different tensors.
    """
    first = assemblies[0]
    stack = _LifterSteps.of([LifterStep(a.objective, a.model, a.discriminators) for a in assemblies])
    template = cast(LifterStep, stack.template)
    stacked = [stack.part(f"discriminators.{i}") for i in range(len(first.discriminators))]
    return attrs.evolve(
        first,
        objective=template.objective,
        model=template.model,
        discriminators=dict(zip(first.discriminators, map(StackedDiscriminator, stacked), strict=True)),
        stack=stack,
    )


def replica_of(assembly: Assembly, index: int) -> Assembly:
    """Return one of the assemblies that ``side_by_side`` was given, as far as the training is."""
    if assembly.stack is None:
        return assembly
    own = cast(LifterStep, assembly.stack.members[index])
    return attrs.evolve(assembly, objective=own.objective, model=own.model, discriminators=own.judges, stack=None)


def begin_phase(assembly: Assembly, role: str, part: Trained, groups: frozenset[str]) -> None:
    """Tell a part of an assembly of the parameter groups that are trained from now on; the lifter of every seed."""
    if assembly.stack is None or role != "lifter":
        part.begin_phase(groups)
    else:
        assembly.stack.tell("model.lifter", lambda lifter: lifter.begin_phase(groups))


def models_of(assembly: Assembly) -> tuple[LiftingModel, ...]:
    """Return the model of each seed."""
    return tuple(replica_of(assembly, i).model for i in range(assembly.seeds))


def means(logs: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the means over the seeds of what each logs."""
    return {name: torch.stack([log[name].float() for log in logs]).mean() for name in logs[0]}
