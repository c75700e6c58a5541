"""The inputs that a lifter or a root estimator may declare it reads, made from a batch once a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.tensors import constant

# Margins of a person's box over the extent of the joints (VirtualPose's rule).
_BOX_MARGIN = (0.25, 0.12)


def person_boxes(batch: PoseBatch) -> Tensor:
    """Return boxes [N, 4] (left, top, right, bottom; pixels) around each person, clipped to the image.

    The extent of the joints is enlarged by 25 % of its width on each side and 12 % of its height.
    """
    low, high = batch.joints_2d.amin(1), batch.joints_2d.amax(1)
    margin = (high - low) * constant(_BOX_MARGIN, low.device, low.dtype)
    zero = torch.zeros_like(low)
    return torch.cat(
        [torch.clamp(low - margin, zero, batch.camera.size), torch.clamp(high + margin, zero, batch.camera.size)],
        dim=-1,
    )


_INPUTS: dict[str, Callable[[PoseBatch], Any]] = {
    "joints_2d": lambda batch: batch.joints_2d,
    "camera": lambda batch: batch.camera,
    "boxes": person_boxes,
    "roots": lambda batch: batch.root,
}


def check_inputs(component: str, names: Iterable[str]) -> None:
    """Raise PoseplugError if a component declares an input that nobody provides."""
    for name in names:
        if name not in _INPUTS:
            raise PoseplugError(
                f"'{component}' reads '{name}', which nothing here provides.{did_you_mean(name, _INPUTS)}"
            )


def gather_inputs(names: Iterable[str], batch: PoseBatch, roots: Tensor | None = None) -> dict[str, Any]:
    """Return the named inputs of a batch; ``roots`` [N, 3], where given, stand in for the true ones."""
    return {name: roots if name == "roots" and roots is not None else _INPUTS[name](batch) for name in names}
