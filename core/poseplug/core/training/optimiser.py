"""Optimisers by name, and how their learning rates go."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

SCHEDULES = ("constant", "onecycle", "cosine", "linear")
# LBFGS takes several looks at the loss; the others take parameters of certain shapes only.
_UNFIT = ("LBFGS", "SparseAdam", "Muon", "Optimizer")


def known_optimiser(name: str | None) -> str | None:
    """Return what is wrong with the name of an optimiser, or None."""
    known = [n for n, c in vars(torch.optim).items() if inspect.isclass(c) and issubclass(c, torch.optim.Optimizer)]
    fit = sorted(set(known) - set(_UNFIT))
    if name is None or name in fit:
        return None
    return f"must be an optimiser of torch.optim that takes any parameters ({', '.join(fit)}); got '{name}'"


@attrs.frozen(kw_only=True)
class OptimiserSettings:
    """How parameters are optimised.

    Attributes:
        lr: learning rate (its peak, for onecycle).
        schedule: how the rate goes over the updates: one of SCHEDULES.
        name: the optimiser's name in torch.optim.
        weight_decay: as that optimiser has it.
        clip_norm: the gradient's norm is cut to this; 0 switches that off.
    """

    lr: float
    schedule: str = "constant"
    name: str = "Adam"
    weight_decay: float = 0.0
    clip_norm: float = 0.0


class Optimiser:
    """Updates parameters by one of torch's optimisers, at a scheduled learning rate.

    Args:
        parameters: what is trained.
        settings: how.
        updates: number of updates the schedule spans.
        seeds: how many seeds the parameters hold, [seeds, ...] each; see poseplug.core.training.multi_seed.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], settings: OptimiserSettings, updates: int, seeds: int = 1
    ) -> None:
        self.parameters = parameters
        self.seeds = seeds
        self.clip_norm = settings.clip_norm
        make = getattr(torch.optim, settings.name)
        options: dict[str, Any] = {"lr": settings.lr}
        if settings.weight_decay:
            options["weight_decay"] = settings.weight_decay
        if "fused" in inspect.signature(make).parameters:  # the same arithmetic in one pass over memory
            options["fused"] = True
        self.torch: torch.optim.Optimizer = make(self.parameters, **options)
        self.scheduler = _scheduler(self.torch, settings.lr, settings.schedule, max(1, updates))
        self._unused = self.scheduler.state_dict()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self.torch.zero_grad(set_to_none=True)

    def step(self, lr_factor: float = 1.0) -> None:
        """Follow the gradients once, at the scheduled learning rate times ``lr_factor``."""
        if self.clip_norm > 0 and self.seeds == 1:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        elif self.clip_norm > 0:
            clip_each(self.parameters, self.clip_norm)
        with self._scaled(lr_factor):
            self.torch.step()
        self.scheduler.step()

    @contextmanager
    def _scaled(self, factor: float) -> Iterator[None]:
        rates = [group["lr"] for group in self.torch.param_groups]
        for group, rate in zip(self.torch.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        yield
        for group, rate in zip(self.torch.param_groups, rates, strict=True):
            group["lr"] = rate

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimiser's state tensors under flat names."""
        state = self.torch.state_dict()["state"]
        return {f"{i}.{k}": v for i, entry in state.items() for k, v in entry.items() if isinstance(v, Tensor)}

    def settings(self) -> dict[str, Any]:
        """Return what else the optimiser and the schedule remember, ready for JSON."""
        state = self.torch.state_dict()
        others = {f"{i}.{k}": v for i, e in state["state"].items() for k, v in e.items() if not isinstance(v, Tensor)}
        schedule = {k: v for k, v in self.scheduler.state_dict().items() if k != "lr_lambdas"}
        return {"param_groups": state["param_groups"], "schedule": schedule, "state": others}

    def load(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        """Take up the state that ``tensors`` and ``settings`` returned."""
        state: dict[int, dict[str, Any]] = {}
        for name, value in {**tensors, **settings["state"]}.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = [  # JSON has lists where there were tuples
            {key: tuple(value) if isinstance(own.get(key), tuple) else value for key, value in group.items()}
            for group, own in zip(settings["param_groups"], self.torch.param_groups, strict=True)
        ]
        self.torch.load_state_dict({"state": state, "param_groups": groups})
        self.scheduler.load_state_dict({**self.scheduler.state_dict(), **settings["schedule"]})

    def go_to(self, place: int) -> None:
        """After ``load``: leave the schedule that was loaded for this optimiser's own, with so many updates done."""
        # A count of 1 would be the scheduler's sign that the optimiser has done nothing yet.
        self.scheduler.load_state_dict({**self._unused, "last_epoch": place - 1, "_step_count": place + 2})
        self.scheduler.step()


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Cut each seed's gradient to a norm, for parameters [S, ...], as ``clip_grad_norm_`` does for one."""
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
