"""The joints that a pose about its root has to tell: all but the root."""

from __future__ import annotations

import torch
from torch import Tensor


def without_root(joints: Tensor, root: int) -> Tensor:
    """Return joints [N, J, 3] without the root, [N, J - 1, 3]."""
    return torch.cat([joints[:, :root], joints[:, root + 1 :]], dim=1)


def with_root(moving: Tensor, root: int) -> Tensor:
    """Return joints [N, J - 1, 3] with the root among them, at the origin, [N, J, 3]."""
    origin = torch.zeros_like(moving[:, :1])
    return torch.cat([moving[:, :root], origin, moving[:, root:]], dim=1)
