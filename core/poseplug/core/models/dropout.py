"""Dropout whose random numbers come cheap on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.models.vectorise import vectorising

_LEVELS = 1 << 16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero each element of x with probability p and scale the others by 1 / (1 - p), in training only.

    PyTorch draws one random number for each element on the CPU, which costs a fifth of a training step here. This
    takes 16 bits for each from full 64-bit draws, so p is rounded to a multiple of 1/65536, and the scale follows it.
    """
    if not training or p in (0.0, 1.0) or x.device.type != "cpu" or vectorising():
        return functional.dropout(x, p, training)
    dropped = min(max(round(p * _LEVELS), 1), _LEVELS - 1)
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    return x * (bits >= dropped - _LEVELS // 2).to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))
