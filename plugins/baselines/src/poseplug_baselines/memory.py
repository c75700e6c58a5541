"""Keeping intermediate results in cache and in memory that is already there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# With 128 channels and 16 joints, intermediate results of this many poses take 1 MB each.
_POSES = 128
# Just below the largest block by which glibc lets its thresholds grow.
_BLOCK = (32 << 20) - (64 << 10)


def in_chunks(function: Callable[[Tensor], Tensor], x: Tensor, training: bool) -> Tensor:
    """Return ``function(x)`` for x [N, ...], on the CPU without gradients piece by piece.

    Only for functions whose rows do not depend on each other; in training, batch statistics tie them together.
    """
    whole = training or torch.is_grad_enabled() or x.device.type != "cpu" or torch.compiler.is_compiling()
    if whole or len(x) <= _POSES:
        return function(x)
    retain_freed_memory()
    return torch.cat([function(x[start : start + _POSES]) for start in range(0, len(x), _POSES)])


def retain_freed_memory() -> None:
    """Make glibc keep freed blocks of up to 32 MB for reuse instead of returning them to the system.

    Otherwise every intermediate result costs fresh pages, which takes longer than computing it. Freeing one large
    block (never touched, so it costs microseconds) raises the allocator's thresholds; elsewhere it has no effect.
    """
    torch.empty(_BLOCK, dtype=torch.uint8)
