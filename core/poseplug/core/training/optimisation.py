"""Roles: the parts of a run that are trained, each with its own optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from poseplug.core.interfaces import Loss

SCHEDULES = ("constant", "onecycle", "cosine", "linear")


class Role:
    """A module under training.

    Args:
        module: what is trained.
        lr: learning rate (its peak, for onecycle).
        schedule: how the rate goes over the ``updates``: one of SCHEDULES.
        updates: number of updates the schedule spans.
        clip_norm: the gradient's norm is cut to this; 0 switches that off.
        every: the run's steps per update.
        replicas: how many seeds the parameters hold, [replicas, ...] each; see poseplug.core.training.multi_seed.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        lr: float,
        schedule: str,
        updates: int,
        clip_norm: float,
        every: int = 1,
        replicas: int = 1,
    ) -> None:
        self.module = module
        self.every = every
        self.replicas = replicas
        self.clip_norm = clip_norm
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        # The fused kernel does the same arithmetic in one pass over memory.
        self.optimiser = torch.optim.Adam(self.parameters, lr=lr, fused=True)
        self.scheduler = _scheduler(self.optimiser, lr, schedule, max(1, updates))

    def due(self, step: int) -> bool:
        """Say whether this step updates the module."""
        return step % self.every == 0

    def update(
        self,
        losses: Mapping[str, Loss],
        groups: Mapping[str, list[nn.Parameter]] | None = None,
        lr_factor: float = 1.0,
    ) -> None:
        """Take one optimiser step down the sum of the losses, at the scheduled learning rate times ``lr_factor``.

        A loss that is a mapping trains each of the named parameter groups with its own scalar and no other.
        """
        self.optimiser.zero_grad(set_to_none=True)
        shared = [loss for loss in losses.values() if isinstance(loss, Tensor)]
        grouped = [loss for loss in losses.values() if not isinstance(loss, Tensor)]
        for loss in grouped:
            for name, scalar in loss.items():
                self._backward(scalar, (groups or {})[name], retain_graph=True)
        if shared:
            self._backward(torch.stack(shared).sum(), self.parameters)
        if self.clip_norm > 0:
            self._clip()
        with self._scaled(lr_factor):
            self.optimiser.step()
        self.scheduler.step()

    def _backward(self, loss: Tensor, parameters: list[nn.Parameter], retain_graph: bool = False) -> None:
        if self.replicas > 1:  # a mean over all poses counts each replica's own mean by one in so many
            loss = loss * self.replicas
        loss.backward(inputs=parameters, retain_graph=retain_graph)  # type: ignore[no-untyped-call]

    def _clip(self) -> None:
        if self.replicas == 1:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        else:
            clip_each(self.parameters, self.clip_norm)

    @contextmanager
    def _scaled(self, factor: float) -> Iterator[None]:
        rates = [group["lr"] for group in self.optimiser.param_groups]
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        yield
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimiser's state tensors under flat names."""
        state = self.optimiser.state_dict()["state"]
        return {f"{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}

    def settings(self) -> dict[str, Any]:
        """Return what else the optimiser and the schedule remember, ready for JSON."""
        groups = self.optimiser.state_dict()["param_groups"]
        schedule = {k: v for k, v in self.scheduler.state_dict().items() if k != "lr_lambdas"}
        return {"param_groups": groups, "schedule": schedule}

    def load(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        """Take up the state that ``tensors`` and ``settings`` returned."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = [{**group, "betas": tuple(group["betas"])} for group in settings["param_groups"]]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        self.scheduler.load_state_dict({**self.scheduler.state_dict(), **settings["schedule"]})


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Cut each replica's gradient to a norm, for parameters [S, ...], as ``clip_grad_norm_`` does for one."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    norms = torch.stack(
        [torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1) for gradient in gradients]
    )
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


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients flow through a module to its input without training it or touching its batch statistics."""
    training = {child: child.training for child in module.modules()}
    wanted = [p for p in module.parameters() if p.requires_grad]
    module.eval()
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        for child, was_training in training.items():
            child.training = was_training
