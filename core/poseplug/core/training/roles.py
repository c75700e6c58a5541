"""Roles: the parts of a run that are trained, in which phase which of their parameters, by which optimiser."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from poseplug.core.data.step import Loss
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Trained
from poseplug.core.training.schedule import Moment, Phase, Schedule, Training


class Optimiser:
    """Updates parameters by one of torch's optimisers, at a scheduled learning rate.

    Args:
        training: names optimiser and schedule; weight decay and greatest norm of the gradient.
        lr: learning rate (its peak, for onecycle).
        updates: number of updates the schedule spans.
        seeds: how many seeds the parameters hold, [seeds, ...] each; see poseplug.core.training.multi_seed.
    """

    def __init__(self, parameters: list[nn.Parameter], training: Training, lr: float, updates: int, seeds: int) -> None:
        self.parameters = parameters
        self.seeds = seeds
        self.clip_norm = training.clip_norm
        make = getattr(torch.optim, training.optimiser)
        options: dict[str, Any] = {"lr": lr}
        if training.weight_decay:
            options["weight_decay"] = training.weight_decay
        if "fused" in inspect.signature(make).parameters:  # the same arithmetic in one pass over memory
            options["fused"] = True
        self.torch: torch.optim.Optimizer = make(self.parameters, **options)
        self.scheduler = _scheduler(self.torch, lr, training.lr_schedule, max(1, updates))
        self._unused = self.scheduler.state_dict()

    def step(self, lr_factor: float = 1.0) -> None:
        """Follow the gradients once, at the scheduled learning rate times ``lr_factor``."""
        if self.clip_norm > 0:
            clip = nn.utils.clip_grad_norm_ if self.seeds == 1 else clip_each
            clip(self.parameters, self.clip_norm)
        (group,) = self.torch.param_groups
        rate = group["lr"]
        group["lr"] = rate * lr_factor
        self.torch.step()
        group["lr"] = rate
        self.scheduler.step()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return its tensors under flat names, and what else optimiser and schedule remember, ready for JSON."""
        state = self.torch.state_dict()
        flat = {f"{i}.{key}": value for i, entry in state["state"].items() for key, value in entry.items()}
        tensors = {name: value for name, value in flat.items() if isinstance(value, Tensor)}
        others = {name: value for name, value in flat.items() if name not in tensors}
        schedule = {key: value for key, value in self.scheduler.state_dict().items() if key != "lr_lambdas"}
        return tensors, {"param_groups": state["param_groups"], "schedule": schedule, "state": others}

    def load(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up what ``state`` returned."""
        state: dict[int, dict[str, Any]] = {}
        for name, value in {**tensors, **facts["state"]}.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        self.torch.load_state_dict({"state": state, "param_groups": facts["param_groups"]})
        self.scheduler.load_state_dict({**self.scheduler.state_dict(), **facts["schedule"]})

    def go_to(self, place: int) -> None:
        """After ``load``: leave the schedule that was loaded for this optimiser's own, with so many updates done."""
        # A count of 1 would be the scheduler's sign that the optimiser has done nothing yet.
        self.scheduler.load_state_dict({**self._unused, "last_epoch": place - 1, "_step_count": place + 2})
        self.scheduler.step()


class Role:
    """A part under training.

    Args:
        name: see ``Assembly.trained``.
        training: how it is trained, where neither the part nor a phase says otherwise.
        seeds: how many seeds its parameters hold, [seeds, ...] each; see poseplug.core.training.multi_seed.
        tell: tells the part of a phase, in place of its ``begin_phase``.

    Raises:
        PoseplugError: a phase trains a parameter group that the part does not have.
    """

    def __init__(
        self,
        name: str,
        module: Trained,
        training: Training,
        schedule: Schedule,
        seeds: int = 1,
        tell: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        self.kind = name.rstrip("0123456789")
        self.module = module
        self.seeds = seeds
        self.groups = module.parameter_groups()
        self._tell = tell or module.begin_phase
        self._schedule = schedule
        self.optimisers: dict[str, Optimiser] = {}
        phases = [phase for phase in schedule.phases if self.trained_in(phase)]
        self._parameters = {phase.name: self._parameters_in(phase) for phase in phases}
        for phase in phases:
            if _optimiser_name(phase) not in self.optimisers:
                self.optimisers[_optimiser_name(phase)] = self._optimiser(phase, training)

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

    def _optimiser(self, phase: Phase, training: Training) -> Optimiser:
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
        return Optimiser(parameters, training, lr, self._updates(name), self.seeds)

    def _updates(self, optimiser: str, first: int | None = None) -> int:
        """Return how often an optimiser is used in the run's ``first`` steps, by default in all of them."""
        return self._schedule.updates(
            self.module.update_every,
            lambda phase: self.trained_in(phase) and _optimiser_name(phase) == optimiser,
            first,
        )

    def go_to(self, step: int) -> None:
        """After loading from a run of another length: take the place in each schedule that this run has at a step."""
        for name, optimiser in self.optimisers.items():
            optimiser.go_to(self._updates(name, step))

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
            self._tell(self.groups_in(phase))
        elif self.kind == "root":  # the lifter may read what it says meanwhile
            self.module.eval()

    def update(self, losses: Mapping[str, Loss], phase: Phase, leaves: Sequence[Tensor] = ()) -> None:
        """Take one optimiser step down the sum of the losses.

        A loss that is a mapping trains each of the named parameter groups with its own scalar and no other.

        Args:
            losses: scalars by name, or mappings of such.
            phase: the phase that the step is in.
            leaves: tensors to which the gradients of all of them are added; see ``trained_inputs.Seam``.
        """
        groups = self.groups_in(phase)
        with self.updating(phase) as parameters:
            shared = [loss for loss in losses.values() if isinstance(loss, Tensor)]
            for loss in losses.values():
                if not isinstance(loss, Tensor):
                    for name, scalar in loss.items():
                        if name in groups:
                            self._backward(scalar, [*self.groups[name], *leaves], retain_graph=True)
            if shared:
                self._backward(torch.stack(shared).sum(), [*parameters, *leaves])

    @contextmanager
    def updating(self, phase: Phase) -> Iterator[list[nn.Parameter]]:
        """Take one optimiser step down the gradients that the phase's parameters are given meanwhile."""
        optimiser = self.optimisers[_optimiser_name(phase)]
        optimiser.torch.zero_grad()
        yield self._parameters[phase.name]
        optimiser.step(phase.lr_factor)

    def _backward(self, loss: Tensor, wanted: Sequence[Tensor], retain_graph: bool = False) -> None:
        if self.seeds > 1:  # a mean over all seeds counts each one's own loss by one in so many
            loss = loss * self.seeds
        loss.backward(inputs=wanted, retain_graph=retain_graph)  # type: ignore[no-untyped-call]


def _optimiser_name(phase: Phase) -> str:
    return f"phase {phase.name}" if phase.own_optimiser else "run"


def _set_modes(module: nn.Module, trained: set[int], parents: bool) -> None:
    """Put into training mode what is trained, and what has nothing to train if what it belongs to is."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    module.training = any(id(p) in trained for p in trainable) if trainable else parents
    for child in module.children():
        _set_modes(child, trained, module.training)


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Cut each seed's gradient to a norm, for parameters [S, ...], as ``clip_grad_norm_`` does for one."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])
    factors = (norm / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def _scheduler(optimiser: torch.optim.Optimizer, lr: float, schedule: str, updates: int) -> LRScheduler:
    if schedule == "onecycle":
        return OneCycleLR(optimiser, max_lr=lr, total_steps=updates + 1)
    factors = {
        "constant": lambda step: 1.0,
        "linear": lambda step: max(0.0, 1 - step / updates),
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * min(step, updates) / updates)),
    }
    return LambdaLR(optimiser, factors[schedule])
