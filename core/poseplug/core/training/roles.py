"""Roles: the parts of a run that are trained, in which phase which of their parameters, by which optimiser."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.step import Loss
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Trained
from poseplug.core.training.optimiser import Optimiser
from poseplug.core.training.schedule import Moment, Phase, Schedule, Training


class Role:
    """A part under training.

    Args:
        name: "lifter", "root", "augmentor<i>", "discriminator<i>".
        module: the part.
        training: how it is trained, where neither the part nor a phase says otherwise.
        schedule: of the run.
        seeds: how many seeds its parameters hold, [seeds, ...] each; see poseplug.core.training.multi_seed.

    Raises:
        PoseplugError: a phase trains a parameter group that the part does not have.
    """

    def __init__(self, name: str, module: Trained, training: Training, schedule: Schedule, seeds: int = 1) -> None:
        self.kind = name.rstrip("0123456789")
        self.module = module
        self.seeds = seeds
        self.groups = module.parameter_groups()
        self.optimisers: dict[str, Optimiser] = {}
        phases = [phase for phase in schedule.phases if self.trained_in(phase)]
        self._parameters = {phase.name: self._parameters_in(phase) for phase in phases}
        for phase in phases:
            if _optimiser_name(phase) not in self.optimisers:
                self.optimisers[_optimiser_name(phase)] = self._optimiser(phase, training, schedule)

    def _parameters_in(self, phase: Phase) -> list[nn.Parameter]:
        """Return the parameters that a phase trains, in the order of the module."""
        groups = phase.groups(self.kind) or ()
        for group in groups:
            if group not in self.groups:
                raise PoseplugError(
                    f"Phase '{phase.name}' trains '{self.kind}:{group}', and the {self.kind}'s parameter groups "
                    f"are {', '.join(self.groups)}; name one of those."
                )
        named = {id(p) for group in groups for p in self.groups[group]}
        return [p for p in self.module.parameters() if p.requires_grad and (not named or id(p) in named)]

    def _optimiser(self, phase: Phase, training: Training, schedule: Schedule) -> Optimiser:
        module, name = self.module, _optimiser_name(phase)
        lr = training.lr if module.learning_rate is None else module.learning_rate
        parameters = [p for p in module.parameters() if p.requires_grad]
        if phase.own_optimiser:
            lr, parameters = phase.lr or lr, self._parameters[phase.name]
            training = attrs.evolve(
                training,
                lr_schedule=phase.lr_schedule or training.lr_schedule,
                optimiser=phase.optimiser or training.optimiser,
            )
        updates = schedule.updates(
            module.update_every, lambda other: self.trained_in(other) and _optimiser_name(other) == name
        )
        return Optimiser(parameters, training, lr, updates, self.seeds)

    def trained_in(self, phase: Phase) -> bool:
        """Say whether a phase trains the part, or some of it."""
        return phase.groups(self.kind) is not None

    def due(self, moment: Moment) -> bool:
        """Say whether this step updates the part."""
        return self.trained_in(moment.phase) and moment.step % self.module.update_every == 0

    def groups_in(self, phase: Phase) -> frozenset[str]:
        """Return the parameter groups that a phase trains."""
        return frozenset(phase.groups(self.kind) or self.groups)

    def begin(self, phase: Phase) -> None:
        """Set the part up for a phase: what stays as it is keeps its batch statistics and has no dropout."""
        if self.trained_in(phase):
            _set_modes(self.module, {id(p) for p in self._parameters[phase.name]}, True)
            self.module.begin_phase(self.groups_in(phase))

    def update(self, losses: Mapping[str, Loss], phase: Phase) -> None:
        """Take one optimiser step down the sum of the losses.

        A loss that is a mapping trains each of the named parameter groups with its own scalar and no other.
        """
        groups = self.groups_in(phase)
        optimiser = self.optimisers[_optimiser_name(phase)]
        optimiser.torch.zero_grad()
        shared = [loss for loss in losses.values() if isinstance(loss, Tensor)]
        for loss in losses.values():
            if not isinstance(loss, Tensor):
                for name, scalar in loss.items():
                    if name in groups:
                        self._backward(scalar, self.groups[name], retain_graph=True)
        if shared:
            self._backward(torch.stack(shared).sum(), self._parameters[phase.name])
        optimiser.step(phase.lr_factor)

    def _backward(self, loss: Tensor, parameters: list[nn.Parameter], retain_graph: bool = False) -> None:
        if self.seeds > 1:  # a mean over all seeds counts each one's own loss by one in so many
            loss = loss * self.seeds
        loss.backward(inputs=parameters, retain_graph=retain_graph)  # type: ignore[no-untyped-call]


def _optimiser_name(phase: Phase) -> str:
    return f"phase {phase.name}" if phase.own_optimiser else "run"


def _set_modes(module: nn.Module, trained: set[int], parents: bool) -> None:
    """Put into training mode what is trained, and what has nothing to train if what it belongs to is."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    module.training = any(id(p) in trained for p in trainable) if trainable else parents
    for child in module.children():
        _set_modes(child, trained, module.training)
