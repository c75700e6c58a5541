"""What joints can do, as a fit asks for it and the page tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import attrs
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen(eq=False)
class BodyLimits:
    """The limits of a skeleton's limbs.

    Attributes:
        skeleton: the layout.
        limits: what its limbs are held against.
        ends: the joints at which the B limb bones end.
    """

    skeleton: Skeleton
    limits: JointLimits
    ends: tuple[int, ...]

    @classmethod
    def of(cls, skeleton: Skeleton, file: Path | None = None) -> Self | None:
        """Return the limits of a file, or those that come with poseplug; None for a skeleton without limbs.

        Raises:
            PoseplugError: the file holds no limits.
        """
        limits = JointLimits.default() if file is None else JointLimits.load(file)
        try:
            ends = tuple(bone.end for bone in limbs_of(skeleton).bones)
        except PoseplugError:
            return None
        return cls(skeleton, limits, ends)

    def __call__(self, joints: Tensor) -> Tensor:
        """Return how far limb bones of poses [N, J, 3] are turned beyond what joints can do, [N, B] radians."""
        return self.limits.violation(joints, self.skeleton)

    def beyond(self, pose: Tensor) -> list[tuple[int, float]]:
        """Return the joints at the ends of a pose's [J, 3] bones that are turned too far, and by how many degrees."""
        angles = self(pose[None])[0].rad2deg().tolist()
        return [(end, round(angle, 1)) for end, angle in zip(self.ends, angles, strict=True) if angle > 0]
