"""Empty canvases on the CPU, of memory that earlier ones have left.

A batch's maps take tens of megabytes. To get them from the system, page by page, takes longer than to draw on them.
"""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

# What nobody holds any more. One canvas is drawn while another is trained on; more would only take memory.
_left: deque[np.ndarray] = deque(maxlen=2)


def zeros(rows: int, columns: int, like: Tensor) -> Tensor:
    """Return zeros [rows, columns] of the device and dtype of ``like``, in memory that nobody else holds."""
    if like.is_cuda or like.dtype != torch.float32:
        return like.new_zeros(rows, columns)
    memory = _emptied(rows * columns)
    # The tensor, and whichever tensors share its memory, hold the view: when it goes, all are gone.
    view = memory.view()
    weakref.finalize(view, _left.append, memory).atexit = False
    return torch.from_numpy(view).view(rows, columns)


def _emptied(cells: int) -> np.ndarray:
    try:
        memory = _left.pop()
    except IndexError:
        return np.zeros(cells, np.float32)
    if len(memory) != cells:
        return np.zeros(cells, np.float32)
    torch.from_numpy(memory).zero_()
    return memory
