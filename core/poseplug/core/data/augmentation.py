"""What augmentors return, and what those that are trained learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
from torch import Tensor

from poseplug.core.data.batch import PoseBatch


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
