"""How modules are used for a while: in evaluation mode, with nothing to train, or for many replicas at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import nn

# torch itself does not tell.
_active: ContextVar[bool] = ContextVar("vectorised", default=False)


def trainable(module: nn.Module) -> bool:
    """Say whether a module has parameters to train."""
    return any(parameter.requires_grad for parameter in module.parameters())


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode for a while, each of its children back into its own mode afterwards."""
    training = {child: child.training for child in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for child, was_training in training.items():
            child.training = was_training


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients flow through a module to its input without training it or touching its batch statistics."""
    wanted = [p for p in module.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        with evaluating(module):
            yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def exactly(device: torch.device) -> AbstractContextManager[None]:
    """Compute in single precision while this lasts: of metres and pixels bfloat16 keeps less than three digits."""
    # Programs that are exported have no such context, and need none.
    return torch.autocast(device.type, enabled=False) if torch.is_autocast_enabled(device.type) else nullcontext()


def vectorising() -> bool:
    """Say whether this code runs for many replicas at once, inside ``vectorised``."""
    return _active.get()


@contextmanager
def vectorised() -> Iterator[None]:
    """Mark what runs inside as running under ``torch.vmap``."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)
