"""Selection: which children are kept, by what bodies can do or by what the lifter cannot yet."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from poseplug.core.anatomy.limbs import Limbs

SELECTIONS = ("all", "lower", "none")


class Limits(Protocol):
    """What says which directions bones can have: the core's ``JointLimits``."""

    def valid(self, directions: Tensor, limbs: Limbs) -> Tensor:
        """Return [B, N] bool for directions [3, B, N]."""


def natural_selection(directions: Tensor, limbs: Limbs, limits: Limits, selection: str = "all") -> Tensor:
    """Return [N] bool: whose limb bones all point where bodies can point them.

    Args:
        directions: [3, B, N] in the frames of the bones.
        limbs: of the skeleton.
        limits: what is allowed.
        selection: "all" bones count (the paper); only the "lower" ones, which hang from another limb bone (what the
            released code comes to); "none": everybody is fit.
    """
    if selection == "none":
        return torch.ones(directions.shape[-1], dtype=torch.bool, device=directions.device)
    valid = limits.valid(directions, limbs)
    if selection == "lower":
        valid = valid[[i for i, bone in enumerate(limbs.bones) if bone.order > 1]]
    return valid.all(0)


def active_selection(errors: Tensor) -> Tensor:
    """Return [N] bool: the half of the poses, rounded up, for which the current model's ``errors`` [N] are largest."""
    kept = torch.zeros_like(errors, dtype=torch.bool)
    return kept.index_fill(0, errors.argsort(descending=True, stable=True)[: -(-len(errors) // 2)], True)
