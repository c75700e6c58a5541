"""Seeds side by side: equally built parts trained as one, their tensors stacked to [S, ...].

Pose i of every batch belongs to replica i mod S. All losses here are means over poses, so S times the loss of a batch
is the sum of what the replicas would lose alone, and none of its terms depends on more than one replica.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.batch import PoseBatch
from poseplug.core.interfaces import Discriminator, Lifter
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.stacked_modules import Stack


class StackedLifter(Lifter):
    """Lifters of several seeds, trained as one.

    Args:
        lifters: equally built, of one training stage.
    """

    def __init__(self, lifters: Sequence[Lifter]) -> None:
        super().__init__()
        for name in ("normalisation", "reads", "predicts_depth", "learning_rate", "update_every"):
            setattr(self, name, getattr(lifters[0], name))
        self.stack = Stack(lifters)

    @property
    def _template(self) -> Lifter:
        return cast(Lifter, self.stack.template)

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        lifted: Tensor = self.stack(joints_2d, inputs)
        return lifted

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        return self._template.parameter_groups()

    def group_joints(self) -> Mapping[str, tuple[int, ...]]:
        return self._template.group_joints()

    def enter_stage(self, stage: int) -> None:
        self._template.enter_stage(stage)


class StackedDiscriminator(Discriminator):
    """Discriminators of several seeds, trained as one; each judges and remembers its own replica's poses.

    Args:
        discriminators: equally built.
    """

    def __init__(self, discriminators: Sequence[Discriminator]) -> None:
        super().__init__()
        for name in ("stage", "learning_rate", "update_every"):
            setattr(self, name, getattr(discriminators[0], name))
        self.stack = Stack(discriminators)

    @property
    def members(self) -> tuple[Discriminator, ...]:
        """Each seed's own."""
        return cast(tuple[Discriminator, ...], self.stack.members)

    def forward(self, batch: PoseBatch) -> Tensor:
        scores: Tensor = self.stack(batch, {})
        return scores

    def loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return self._mean(lambda i, member: member.loss(self._own(i, real), self._own(i, fake)))

    def realism(self, fake: Tensor) -> Tensor:
        return self._mean(lambda i, member: member.realism(self._own(i, fake)))

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        return self._each(batch, lambda member, own: member.real(own, generator))

    def remember(self, fake: PoseBatch, generator: torch.Generator) -> PoseBatch:
        return self._each(fake, lambda member, own: member.remember(own, generator))

    def logs(self) -> Mapping[str, Tensor]:
        """Return the means over the seeds."""
        logs = [member.logs() for member in self.members]
        return {name: torch.stack([log[name] for log in logs]).mean(0) for name in logs[0]}

    def _own(self, index: int, scores: Tensor) -> Tensor:
        return scores[index :: len(self.members)]

    def _mean(self, of: Callable[[int, Discriminator], Tensor]) -> Tensor:
        values = [of(i, member) for i, member in enumerate(self.members)]
        self.stack.adopt_buffers()
        return torch.stack(values).mean()

    def _each(self, batch: PoseBatch, of: Callable[[Discriminator, PoseBatch], PoseBatch]) -> PoseBatch:
        made = [of(member, own) for member, own in zip(self.members, dealt(batch, len(self.members)), strict=True)]
        self.stack.adopt_buffers()
        return gathered(made)


class StackedModel(LiftingModel):
    """Lifting models of several seeds, trained as one.

    Args:
        models: equally built, without root estimators.

    Attributes:
        replicas: each seed's model, to evaluate and to save; always as far as the training is.
    """

    def __init__(self, models: Sequence[LiftingModel]) -> None:
        first = models[0]
        super().__init__(StackedLifter([model.lifter for model in models]), first.skeleton, None, first.depth_only)
        self.replicas = tuple(models)
        for model in models:
            model.normaliser = self.normaliser
            if not self.depth_only:  # the sign of depths that were learned without labels is each seed's own
                model.reading = self.reading

    def fit_depth(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Fit each seed's own; return the means of what was found."""
        found = [model.fit_depth(batch) for model in self.replicas]
        return {name: torch.stack([one[name].float() for one in found]).mean() for name in found[0]}


def side_by_side(assemblies: Sequence[Assembly]) -> Assembly:
    """Return the assembly that trains lifters and discriminators of equally built assemblies as one.

    All else is the first one's: what has no parameters.
    """
    first = assemblies[0]
    return attrs.evolve(
        first,
        model=StackedModel([assembly.model for assembly in assemblies]),
        discriminators={
            name: StackedDiscriminator([assembly.discriminators[name] for assembly in assemblies])
            for name in first.discriminators
        },
        replicas=len(assemblies),
    )


def replica_of(assembly: Assembly, index: int) -> Assembly:
    """Return one of the assemblies that ``side_by_side`` was given, as far as the training is."""
    stacked = {name: cast(StackedDiscriminator, part) for name, part in assembly.discriminators.items()}
    return attrs.evolve(
        assembly,
        model=cast(StackedModel, assembly.model).replicas[index],
        discriminators={name: part.members[index] for name, part in stacked.items()},
        replicas=1,
    )


def models_of(assembly: Assembly) -> tuple[LiftingModel, ...]:
    """Return the model of each seed."""
    model = assembly.model
    return model.replicas if isinstance(model, StackedModel) else (model,)


_Batch = TypeVar("_Batch", bound=PoseBatch)


def dealt(batch: _Batch, count: int) -> Iterator[_Batch]:
    """Give each replica's poses of a batch."""
    return (batch.select(slice(i, None, count)) for i in range(count))


def gathered(batches: Sequence[PoseBatch]) -> PoseBatch:
    """Undo ``dealt``."""
    joined = PoseBatch.join(batches)
    order = torch.arange(len(joined), device=joined.device).view(len(batches), -1).T.flatten()
    return joined.select(order)
