"""The adversarial updates of a step: augmentors against discriminators and lifter, discriminators real against fake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.interfaces import Augmentation, AugmentorFeedback, Discriminator
from poseplug.core.models.modes import frozen
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.roles import Role
from poseplug.core.training.schedule import Moment, Phase


class Made:
    """What the augmentors of a run have made of a step's poses.

    Args:
        drawn: what the first of them was given.
        augmentations: of each, in order; empty where nothing was augmented.
        roles: by name; says which augmentors are trained.
    """

    def __init__(self, drawn: PoseBatch, augmentations: Sequence[Augmentation], roles: Mapping[str, Role]) -> None:
        inputs = [drawn, *(augmentation.batch.detached() for augmentation in augmentations[:-1])]
        trained = [i for i in range(len(augmentations)) if f"augmentor{i}" in roles]
        self.learning = {i: (inputs[i], augmentations[i]) for i in trained}
        # Plain augmentation before the first that learns makes real poses: it says what the world looks like.
        self.given = inputs[trained[0]] if trained else drawn

    def judged(self, discriminators: Mapping[str, Discriminator]) -> dict[str, PoseBatch]:
        """Return what each discriminator is to tell from real poses: its stage of the last trained augmentor's work."""
        if not self.learning:
            return {}
        _, last = self.learning[max(self.learning)]
        return {name: _judged(discriminator, last).detached() for name, discriminator in discriminators.items()}


def train_augmentors(
    parts: Assembly,
    roles: Mapping[str, Role],
    made: Made,
    lift: Callable[[PoseBatch], Tensor],
    index: int,
    progress: float,
    moment: Moment,
) -> dict[str, Tensor]:
    """Update the augmentors, with lifter and discriminators frozen; return losses and logs.

    Args:
        parts, roles: of the run.
        made: what the augmentors have made of this step's poses.
        lift: batch -> what the lifter would say in evaluation, metres.
        index: of the step, counted from 0.
        progress: share of the training that is done.
        moment: the phase and cycle.
    """
    logs: dict[str, Tensor] = {}
    for i, (source, augmentation) in made.learning.items():
        role, augmentor = roles[f"augmentor{i}"], parts.augmentors[i]
        if not role.trained_in(moment.phase):
            continue
        said = {}
        with frozen(parts.model):
            for name, discriminator in parts.discriminators.items():
                with frozen(discriminator):
                    said[name] = discriminator.adversarial_loss(discriminator(_judged(discriminator, augmentation)))
            feedback = AugmentorFeedback(source, said, lift, progress, moment.cycle)
            losses = augmentor.loss(augmentation, feedback)
            if role.due(index, moment.phase):
                role.update(losses, moment.phase)
        if augmentation.accepted is not None:
            logs[f"augmentor{i}/accepted"] = augmentation.accepted.float().mean()
        logs |= {f"augmentor{i}/{name}": value for name, value in {**losses, **augmentor.logs()}.items()}
    return logs


def train_discriminators(
    parts: Assembly,
    roles: Mapping[str, Role],
    real: PoseBatch,
    fakes: Mapping[str, PoseBatch],
    index: int,
    phase: Phase,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Update the discriminators for which there are fakes; return losses and logs."""
    logs = {}
    for i, (name, discriminator) in enumerate(parts.discriminators.items()):
        role = roles.get(f"discriminator{i}")
        if name not in fakes or role is None or not role.due(index, phase):
            continue
        fake = discriminator.remember(fakes[name], generator)
        genuine = discriminator.real(real, generator)
        loss = discriminator.loss(discriminator(genuine), discriminator(fake), generator)
        role.update({"loss": loss}, phase)
        logs[f"discriminator/{name}"] = loss
        logs |= {f"discriminator/{name}/{figure}": value for figure, value in discriminator.logs().items()}
    return logs


def _judged(discriminator: Discriminator, augmentation: Augmentation) -> PoseBatch:
    """Return the stage of an augmentation that a discriminator judges; the final poses where there is no such stage."""
    return augmentation.stages.get(discriminator.stage, augmentation.batch)
