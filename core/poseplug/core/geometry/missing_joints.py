"""Joints that nobody found: where a lifter is told that they are."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import constant


def put_missing(joints: Tensor, found: Tensor, skeleton: Skeleton) -> Tensor:
    """Return joints [N, J, C] in which each that was not found lies on the nearest that was, along the skeleton.

    A lifter that was trained with such poses sees by it that a joint is missing, since two joints lie on each other.
    Of joints that are equally near, the one nearer to the root is taken. A pose without any joint is all zeros.

    Args:
        joints: [N, J, C]; what was not found may hold anything.
        found: [N, J] bool.
        skeleton: the layout of the J joints.
    """
    order = constant(_nearest_first(skeleton), joints.device, torch.int64)
    first = found[:, order].to(torch.uint8).argmax(-1)
    taken = order.expand(len(joints), -1, -1).gather(2, first[..., None]).squeeze(-1)
    filled = joints.gather(1, taken[..., None].expand_as(joints))
    return torch.where(found.any(1)[:, None, None], filled, torch.zeros_like(filled))


@lru_cache(maxsize=32)
def _nearest_first(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """Return for each joint all joints, the nearest along the bones first."""
    lineage: list[list[int]] = []
    for joint in range(skeleton.num_joints):
        line = [joint]
        while skeleton.parent_index[line[-1]] >= 0:
            line.append(skeleton.parent_index[line[-1]])
        lineage.append(line)

    def apart(a: int, b: int) -> int:
        return len({*lineage[a]} ^ {*lineage[b]})

    joints = range(skeleton.num_joints)
    return tuple(tuple(sorted(joints, key=lambda b: (apart(a, b), len(lineage[b]), b))) for a in joints)
