"""Mapping poses from one skeleton to another: by joint name, and saying which joints are made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen
class Remapping:
    """How the joints of one skeleton become those of another; made by ``Remapping.between``.

    Attributes:
        source, target: the two skeletons.
        synthesised: the target's joints that the source does not have; their positions are midpoints.
        first, second: for each target joint the two source joints whose midpoint it is, twice the same for a joint
            that both skeletons have.
    """

    source: Skeleton
    target: Skeleton
    synthesised: tuple[str, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]

    @classmethod
    def between(
        cls, source: Skeleton, target: Skeleton, synthesised: Mapping[str, tuple[str, str]] | None = None
    ) -> Self:
        """Match two skeletons by joint name.

        Args:
            source: the skeleton of the poses at hand.
            target: the skeleton wanted.
            synthesised: for each target joint that the source lacks, the two source joints it lies half-way between.

        Raises:
            PoseplugError: a target joint is neither in the source nor synthesised, a synthesised joint is not
                missing, or one to synthesise it from is unknown.
        """
        synthesised = dict(synthesised or {})
        missing = [joint for joint in target.joints if joint not in source.joints]
        unmade = [joint for joint in missing if joint not in synthesised]
        if unmade:
            raise PoseplugError(
                f"Skeleton '{source.name}' cannot become '{target.name}': it lacks {', '.join(unmade)}; say between "
                f"which two of its joints each lies. '{source.name}' has {', '.join(source.joints)}; "
                f"'{target.name}' has {', '.join(target.joints)}."
            )
        needless = [joint for joint in synthesised if joint not in missing]
        if needless:
            raise PoseplugError(
                f"From '{source.name}' to '{target.name}' only missing joints can be synthesised "
                f"({', '.join(missing) or 'none'}), not {', '.join(needless)}; remove them."
            )
        pairs = [synthesised.get(joint, (joint, joint)) for joint in target.joints]
        first, second = (tuple(source.index(pair[side]) for pair in pairs) for side in (0, 1))
        return cls(source, target, tuple(missing), first, second)

    def __call__(self, joints: Tensor) -> Tensor:
        """Return joints [N, J_source, C] (3D or pixels) as [N, J_target, C].

        A joint that both have is copied exactly; a NaN touches only what is made from it.
        """
        mapped = joints.index_select(1, torch.tensor(self.first, device=joints.device))
        if not self.synthesised:
            return mapped
        return (mapped + joints.index_select(1, torch.tensor(self.second, device=joints.device))) / 2


H36M_17_TO_16 = Remapping.between(H36M_17, H36M_16)
H36M_16_TO_17 = Remapping.between(H36M_16, H36M_17, {"Neck": ("Thorax", "Head")})
