"""Widths that give networks of different shape equal numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Make = Callable[[int, torch.device], nn.Module]

# The least width that is tried: enough for every part to have features.
_LEAST = 8
# Modules there have shapes and no memory, and drawing their weights costs no random number.
_NOWHERE = torch.device("meta")


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def matched_width(make: Make, reference: Make, width: int) -> int:
    """Return the width at which ``make`` comes nearest in size to ``reference`` at ``width``.

    Args:
        make, reference: give a network for a width and a device; a wider one has more parameters.
        width: of the reference.
    """

    def size(candidate: int) -> int:
        return count_parameters(make(candidate, _NOWHERE))

    wanted = count_parameters(reference(width, _NOWHERE))
    low, high = _LEAST, 2 * _LEAST
    while size(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    return min((low, high), key=lambda candidate: abs(size(candidate) - wanted))
