"""Roles: the parts of a run that are trained, in which phase which of their parameters, by which optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.step import Loss
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Trained
from poseplug.core.training.optimiser import Optimiser, OptimiserSettings
from poseplug.core.training.schedule import Phase, Schedule


class Role:
    """A part under training.

    Args:
        name: "lifter", "root", "augmentor<i>", "discriminator<i>".
        module: the part.
        settings: of its optimisers, where neither the part nor a phase says otherwise.
        schedule: of the run.
        seeds: how many seeds its parameters hold, [seeds, ...] each; see poseplug.core.training.multi_seed.

    Raises:
        PoseplugError: a phase trains a parameter group that the part does not have.
    """

    def __init__(
        self, name: str, module: Trained, settings: OptimiserSettings, schedule: Schedule, seeds: int = 1
    ) -> None:
        self.kind = name.rstrip("0123456789")
        self.module = module
        self.seeds = seeds
        self.groups = module.parameter_groups()
        self._schedule = schedule
        self._check_groups(schedule)
        if module.learning_rate is not None:
            settings = attrs.evolve(settings, lr=module.learning_rate)
        self.optimisers: dict[str, Optimiser] = {}
        self._parameters = {phase.name: self._parameters_in(phase) for phase in schedule.phases}
        for phase in schedule.phases:
            if self.trained_in(phase) and self._optimiser_name(phase) not in self.optimisers:
                self.optimisers[self._optimiser_name(phase)] = self._optimiser(phase, settings)

    def _check_groups(self, schedule: Schedule) -> None:
        for phase in schedule.phases:
            for group in phase.groups(self.kind) or ():
                if group not in self.groups:
                    raise PoseplugError(
                        f"Phase '{phase.name}' trains '{self.kind}:{group}', and the {self.kind}'s parameter groups "
                        f"are {', '.join(self.groups)}; name one of those."
                    )

    @staticmethod
    def _optimiser_name(phase: Phase) -> str:
        return f"phase {phase.name}" if phase.own_optimiser else "run"

    def _optimiser(self, phase: Phase, settings: OptimiserSettings) -> Optimiser:
        name = self._optimiser_name(phase)
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        if phase.own_optimiser:
            parameters = self._parameters[phase.name]
            settings = attrs.evolve(
                settings,
                lr=phase.lr or settings.lr,
                schedule=phase.lr_schedule or settings.schedule,
                name=phase.optimiser or settings.name,
            )
        return Optimiser(parameters, settings, self._updates(name), self.seeds)

    def _updates(self, optimiser: str, first: int | None = None) -> int:
        """Return how often an optimiser is used in the run's ``first`` steps, by default in all of them."""
        return self._schedule.updates(
            self.module.update_every,
            lambda phase: self.trained_in(phase) and self._optimiser_name(phase) == optimiser,
            first,
        )

    def trained_in(self, phase: Phase) -> bool:
        """Say whether a phase trains the part, or some of it."""
        return phase.groups(self.kind) is not None

    def groups_in(self, phase: Phase) -> frozenset[str]:
        """Return the parameter groups that a phase trains."""
        return frozenset(phase.groups(self.kind) or self.groups)

    def _parameters_in(self, phase: Phase) -> list[nn.Parameter]:
        """Return the parameters that a phase trains, in the order of the module."""
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        named = {id(p) for group in phase.groups(self.kind) or () for p in self.groups[group]}
        return [p for p in parameters if id(p) in named] if named else parameters

    def due(self, step: int, phase: Phase) -> bool:
        """Say whether this step updates the part."""
        return self.trained_in(phase) and step % self.module.update_every == 0

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
        optimiser = self.optimisers[self._optimiser_name(phase)]
        optimiser.zero_grad()
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

    def tensors(self) -> dict[str, Tensor]:
        """Return the state tensors of its optimisers under flat names."""
        return {f"{i}/{k}": v for i, o in enumerate(self.optimisers.values()) for k, v in o.tensors().items()}

    def settings(self) -> list[Any]:
        """Return what else its optimisers remember, ready for JSON."""
        return [optimiser.settings() for optimiser in self.optimisers.values()]

    def load(self, tensors: Mapping[str, Tensor], settings: list[Any]) -> None:
        """Take up the state that ``tensors`` and ``settings`` returned."""
        for i, (optimiser, own) in enumerate(zip(self.optimisers.values(), settings, strict=True)):
            start = f"{i}/"
            optimiser.load({k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}, own)

    def go_to(self, step: int) -> None:
        """After ``load`` from a run of another length: take the place in each schedule that this run has at a step."""
        for name, optimiser in self.optimisers.items():
            optimiser.go_to(self._updates(name, step))


def _set_modes(module: nn.Module, trained: set[int], parents: bool) -> None:
    """Put into training mode what is trained, and what has nothing to train if what it belongs to is."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    module.training = any(id(p) in trained for p in trainable) if trainable else parents
    for child in module.children():
        _set_modes(child, trained, module.training)
