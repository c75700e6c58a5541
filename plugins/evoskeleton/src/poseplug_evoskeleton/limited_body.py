"""What joint limits say of poses of one skeleton; the components that ask them share it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Self

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_kinds import kind_of
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.geometry.skeleton import Skeleton

LIMITS = "file of joint limits; none: those that come with poseplug"


@attrs.frozen(eq=False)
class LimitedBody:
    """Joint limits, and the skeleton that they are asked about.

    Attributes:
        limits: which way limb bones may point.
        skeleton: a skeleton with limbs.
        bones: how many of its limb bones are no hands or toes; these come first.
    """

    limits: JointLimits
    skeleton: Skeleton
    bones: int

    @classmethod
    def of(cls, path: str, skeleton: Skeleton, device: torch.device) -> Self:
        """Return it for the limits in a file, or where there is no path those that ship.

        Raises:
            PoseplugError: a file that holds no limits, or a skeleton without limbs.
        """
        limits = JointLimits.load(Path(path)) if path else JointLimits.default()
        bones = sum(kind_of(bone) is not None for bone in limbs_of(skeleton).bones)
        return cls(limits.to(device), skeleton, bones)

    @torch.no_grad()
    def plausible(self, joints: Tensor) -> Tensor:
        """Return which poses [N, J, 3] are held within the limits, bool [N]."""
        return self.limits.accepts(joints, self.skeleton).all(1)

    def violation(self, joints: Tensor) -> Tensor:
        """Return by how much poses [N, J, 3] break the limits, radians [N, B], for all but hands and toes."""
        return self.limits.violation(joints, self.skeleton)[:, : self.bones]


class Tally(nn.Module):
    """Counts plausible poses on the device; the host asks once, at the end.

    Attributes:
        last: the share of plausible poses in the last batch; None before the first.
    """

    counts: Tensor
    last: Tensor | None = None

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64, device=device))

    def add(self, plausible: Tensor) -> None:
        """Take note of poses, bool [N]."""
        with torch.no_grad():
            self.last = plausible.float().mean()
            self.counts += torch.stack([plausible.sum(), torch.ones_like(plausible).sum()])

    @property
    def share(self) -> float:
        """The share of plausible poses so far; NaN before the first."""
        plausible, seen = self.counts.tolist()
        return plausible / seen if seen else math.nan
