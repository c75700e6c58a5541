"""A training step: what its augmentors make and learn from, and what its objective sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import TensorRecord

Loss = Tensor | Mapping[str, Tensor]


@attrs.frozen
class Augmentation:
    """What an augmentor made of a batch.

    Attributes:
        batch: the poses to train on, N or more.
        stages: named poses along the way that discriminators may judge ("bones": after the bone operators, ...).
        accepted: [N] bool, which poses are fit to be kept for training; None accepts all.
    """

    batch: PoseBatch
    stages: Mapping[str, PoseBatch] = attrs.field(factory=dict)
    accepted: Tensor | None = None


@attrs.frozen
class AugmentorFeedback:
    """What a trained augmentor may learn from, besides its own output.

    Attributes:
        source: the poses that it was given.
        adversarial_losses: for each discriminator what it says of the stage of the augmentation that it judges.
        lift: the lifter under training, frozen: batch -> root-relative joints [N, J, 3].
        progress: share of the training that is done, 0 to 1.
        cycle: the schedule's cycle, counted from 1.
    """

    source: PoseBatch
    adversarial_losses: Mapping[str, Tensor]
    lift: Callable[[PoseBatch], Tensor]
    progress: float
    cycle: int = 1


@attrs.frozen(eq=False)
class Stream(TensorRecord):
    """Poses that the lifter learns from in a step, and how much they count.

    Attributes:
        name: "training": drawn, and augmented where there is an augmentor; "reference": reference poses.
        batch: the N poses.
        weights: [N] of the reweighter; None counts all alike.
        factor: on the whole stream's loss.
    """

    name: str
    batch: PoseBatch
    weights: Tensor | None = None
    factor: float = 1.0

    def mean(self, errors: Tensor) -> Tensor:
        """Return the factor times the mean of errors [N, ...], each pose's times its weight."""
        for weight in (self.weights, self.batch.weight):
            if weight is not None:
                errors = errors * weight.view(-1, *[1] * (errors.ndim - 1))
        return errors.mean() if self.factor == 1 else errors.mean() * self.factor


@attrs.frozen
class Step:
    """One training step as the objective sees it.

    Attributes:
        streams: what there is to learn from; the training poses come first.
        lift: the lifter under training: batch -> joints [N, J, 3], root-relative up to the predicted root, or what the
            lifter returns, where the objective declares the output head. It may be called often, also with batches
            that the objective makes itself.
        adversarial_loss: what the run's discriminators say of poses of a stage (stage name, batch), as losses by name;
            the discriminators learn from these poses as fakes.
        generator: for what the objective draws.
        progress: share of the training that is done, 0 to 1.
        groups: the lifter's ``group_joints``.
        one_pass: whether all streams go through the lifter in one batch; batch statistics differ.
    """

    streams: tuple[Stream, ...]
    lift: Callable[[PoseBatch], Tensor]
    adversarial_loss: Callable[[str, PoseBatch], Mapping[str, Tensor]]
    generator: torch.Generator
    progress: float
    groups: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    one_pass: bool = True

    @property
    def poses(self) -> PoseBatch:
        """The training poses."""
        return self.streams[0].batch

    def lifted(self) -> list[tuple[Stream, Tensor]]:
        """Return each stream with what ``lift`` gives for its poses."""
        batches = [stream.batch for stream in self.streams]
        if self.one_pass and len(batches) > 1:
            ends = list(accumulate(map(len, batches)))
            outputs: Iterable[Tensor] = self.lift(PoseBatch.join(batches)).tensor_split(ends[:-1])
        else:
            outputs = map(self.lift, batches)
        return list(zip(self.streams, outputs, strict=True))

    def joined(self) -> Stream:
        """Return all poses as one stream, whose mean is the sum of the means of the streams."""
        first = self.streams[0]
        if len(self.streams) == 1:
            return first
        total = sum(len(stream.batch) for stream in self.streams)
        weights = []
        for stream in self.streams:
            count = len(stream.batch)
            weight = torch.full((count,), stream.factor * total / count, device=stream.batch.device)
            for factor in (stream.batch.weight, stream.weights):
                weight = weight if factor is None else weight * factor
            weights.append(weight)
        batch = PoseBatch.join([attrs.evolve(stream.batch, weight=None) for stream in self.streams])
        return Stream("joined", batch, torch.cat(weights))
