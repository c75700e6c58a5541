"""Modules used for a while as they are: in evaluation mode, or with nothing to train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


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
