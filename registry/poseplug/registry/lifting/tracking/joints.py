"""From the joints of key points to those of a run's skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.joint_mapping import JointMapping
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.skeleton import Skeleton


class JointMaker:
    """Makes the joints of one layout of another's.

    Args:
        source: the layout of the key points.
        target: the run's.
        own: the user's word on how some joints of the target are made; None: always missing.

    Raises:
        PoseplugError: joints of the target that there is nothing to make from, and of which nothing was said.
    """

    def __init__(self, source: Skeleton, target: Skeleton, own: Mapping[str, Any]) -> None:
        self.target = target
        self.absent = tuple(joint for joint, made in own.items() if made is None)
        mapping = map_layout(source, target, {joint: made for joint, made in own.items() if made is not None})
        for joint in self.absent:
            target.index(joint)
        missing = [joint for joint in mapping.missing if joint not in self.absent]
        if missing:
            example = f"--map {missing[0]}={source.joints[0]}"
            raise PoseplugError(
                f"There is nothing to make {', '.join(missing)} from: the run's joints are {', '.join(target.joints)}; "
                f"the key points ({source.name}) have {', '.join(source.joints)}. Say for each which to take "
                f"({example}, several with +, or {missing[0]}=none)."
            )
        kept = tuple(joint for joint in target.joints if joint not in self.absent)
        origins = {joint: made for joint, made in mapping.origins.items() if joint in kept}
        self.mapping = JointMapping(source.joints, kept, origins)
        self._places = [target.index(joint) for joint in kept]

    def __call__(self, joints: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints [N, J, 2] and their confidence [N, J], 0 for those that were not found."""
        made, sure = self.mapping.found(joints, confidence)
        if not self.absent:
            return made, sure
        every = joints.new_zeros(len(joints), self.target.num_joints, 2)
        known = confidence.new_zeros(len(joints), self.target.num_joints)
        every[:, self._places], known[:, self._places] = made, sure
        return every, known

    def in_words(self) -> str:
        """Return a sentence on which joints are made how."""
        renamed = [f"{joint} = {name}" for joint, name in self.mapping.copied.items() if joint != name]
        made = [f"{joint} of {'+'.join(names)}" for joint, names in self.mapping.synthesised.items()]
        same = len(self.mapping.copied) - len(renamed)
        parts = [f"{same} copied"] * bool(same) + renamed + made + [f"{joint} missing" for joint in self.absent]
        return f"joints: {', '.join(parts)}"


def split_found(joints: Tensor, confidence: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Return joints and confidence at 0 where a joint does not count as found: it is unsure, or no number."""
    good = (confidence >= least) & (confidence > 0) & torch.isfinite(joints).all(-1)
    return joints.masked_fill(~good[..., None], 0.0), confidence.masked_fill(~good, 0.0)
