"""Linear maps, batch normalisation and dropout that are fast on the CPU: what lifters are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.models.modes import vectorising

# Below this many rows a plain matrix product starts sooner than a convolution.
_FEW_ROWS = 128
# PyTorch hands a 1x1 convolution on a single thread to oneDNN only from this many images on.
_IMAGES = 16
# In how many steps a share that drops out is counted.
_LEVELS = 1 << 16


def dense(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x W^T + b`` for x [..., I], weight [O, I] and bias [O] or None.

    On the CPU large products run as 1x1 convolutions over the rows: same sums, no copies, but PyTorch sends them to
    oneDNN, which uses AVX-512 on processors where the library behind ``linear`` does not (2.2 times as fast there).
    """
    plain = x.device.type != "cpu" or torch.compiler.is_compiling() or vectorising()
    if plain or x.shape[:-1].numel() < _FEW_ROWS:
        return functional.linear(x, weight, bias)
    rows = x.shape[:-1].numel()
    images = _IMAGES if torch.get_num_threads() == 1 and rows % _IMAGES == 0 else 1
    pixels = x.reshape(images, 1, rows // images, x.shape[-1]).permute(0, 3, 1, 2)
    result = functional.conv2d(pixels, weight[:, :, None, None], bias)
    return result.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])


class Dense(nn.Linear):
    """``nn.Linear`` by way of ``dense``."""

    def forward(self, x: Tensor) -> Tensor:
        return dense(x, self.weight, self.bias)


class Norm(nn.BatchNorm1d):
    """Batch normalisation of the channels [..., C] over all leading axes."""

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        y = super().forward(x.reshape(-1, x.shape[-1]))
        # In place: the gradient of the normalisation needs its input, not its output.
        return (y.relu_() if relu else y).view(x.shape)


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
