"""Joints, bones and rotations of a skeleton: from one to the other for a whole batch at once.

Bone ``i`` is the vector from parent to child of ``skeleton.bones[i]``. Nothing here is a matrix product, so reduced
precision (autocast, TF32) never blurs a pose, and gradients flow through everything.
"""

from __future__ import annotations

from functools import lru_cache

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen
class _BoneTables:
    """Index tensors of one skeleton on one device; coordinates are flattened to [N, 3 J]."""

    starts: Tensor
    ends: Tensor
    jumps: tuple[Tensor, ...]
    rest: Tensor
    levels: tuple[Tensor, ...]
    level_order: Tensor


def bone_vectors(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Return the bones [N, M, 3] of joints [N, J, 3]: child minus parent, in the joints' unit and frame."""
    tables = _tables(skeleton, joints.device)
    flat = joints.flatten(1)
    bones = flat.index_select(1, tables.ends) - flat.index_select(1, tables.starts)
    return bones.reshape(joints.shape[0], skeleton.num_bones, 3)


def bone_lengths(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Return the bone lengths [N, M] of joints [N, J, 3]; the gradient at length zero is zero."""
    lengths: Tensor = torch.linalg.vector_norm(bone_vectors(joints, skeleton), dim=-1)
    return lengths


def joints_from_bones(bones: Tensor, root: Tensor, skeleton: Skeleton) -> Tensor:
    """Return the joints [N, J, 3] that start at root [N, 3] and follow bones [N, M, 3]; undoes ``bone_vectors``."""
    tables = _tables(skeleton, bones.device)
    n, before = bones.shape[0], 3 * skeleton.root
    flat = bones.flatten(1)
    # Each joint begins with its own bone and jumps to the ancestor whose sum it lacks: after k rounds it holds 2^k
    # bones, so the deepest skeletons need few rounds. The last joint is a zero to jump to from the root.
    joints = torch.cat([flat[:, :before], root, flat[:, before:], flat.new_zeros(n, 3)], dim=1)
    for jump in tables.jumps:
        joints = joints + joints.index_select(1, jump)
    return joints[:, : 3 * skeleton.num_joints].reshape(n, skeleton.num_joints, 3)


def forward_kinematics(
    rotations: Tensor,
    lengths: Tensor,
    skeleton: Skeleton,
    *,
    root_position: Tensor,
    root_rotation: Tensor | None = None,
    rest: Tensor | None = None,
) -> Tensor:
    """Pose a skeleton: each bone turns with its parent and, on top of that, by its own local rotation.

    The frame of bone i is F_i = F_parent V_i (F_root at the root's bones) and the bone is l_i F_i r_i.

    Args:
        rotations: [N, M, 3, 3] local rotations V_i.
        lengths: [N, M] or [M] bone lengths, metres.
        skeleton: the tree.
        root_position: [N, 3] metres.
        root_rotation: [N, 3, 3] the root's frame; the identity when None.
        rest: [M, 3] unit rest directions r_i; the skeleton's own when None.

    Returns:
        joints [N, J, 3], metres.
    """
    tables = _tables(skeleton, rotations.device)
    rest = tables.rest if rest is None else rest
    # Poses last, [3, 3, bones, N]: only then does elementwise arithmetic run at full speed.
    local = rotations.permute(2, 3, 1, 0).contiguous()
    if root_rotation is None:
        root_rotation = torch.eye(3, dtype=rotations.dtype, device=rotations.device).expand(rotations.shape[0], 3, 3)
    frames = root_rotation.permute(1, 2, 0)[:, :, None]
    directions = []
    for parents, bones in zip(tables.levels[::2], tables.levels[1::2], strict=True):
        frames = compose(frames.index_select(2, parents), local.index_select(2, bones))
        directions.append((frames * rest[bones].T[..., None]).sum(1))
    ordered = torch.cat(directions, dim=1).index_select(1, tables.level_order)
    scaled = ordered * lengths.expand(rotations.shape[0], -1).T
    return joints_from_bones(scaled.permute(2, 1, 0), root_position, skeleton)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return the products of matrices [A, B, ...] and [B, C, ...], entry by entry: a matrix product could use TF32."""
    total = first[:, 0, None] * second[0]
    for k in range(1, len(second)):
        total = torch.addcmul(total, first[:, k, None], second[k])
    return total


@lru_cache(maxsize=64)
def _tables(skeleton: Skeleton, device: torch.device) -> _BoneTables:
    def coordinates(joints: list[int]) -> Tensor:
        return torch.tensor([3 * joint + axis for joint in joints for axis in range(3)], device=device)

    # Cached tensors serve training as well, so they must not be inference tensors.
    with torch.inference_mode(False):
        order = [bone for level in skeleton.levels for bone in level]
        levels: list[Tensor] = []
        above: tuple[int, ...] = (-1,)
        for level in skeleton.levels:
            levels += [torch.tensor([above.index(skeleton.bone_parent[bone]) for bone in level], device=device)]
            levels += [torch.tensor(level, device=device)]
            above = level
        return _BoneTables(
            starts=coordinates([parent for parent, _ in skeleton.bones]),
            ends=coordinates([child for _, child in skeleton.bones]),
            jumps=tuple(coordinates(jump) for jump in _jumps(skeleton)),
            rest=torch.tensor(skeleton.rest_directions, device=device).reshape(-1, 3),
            levels=tuple(levels),
            level_order=torch.tensor([order.index(bone) for bone in range(len(order))], device=device),
        )


def _jumps(skeleton: Skeleton) -> list[list[int]]:
    """Return for each round of ``joints_from_bones`` where every joint jumps; joint J stands for nothing more."""
    nothing = skeleton.num_joints
    jump = [parent if parent >= 0 else nothing for parent in skeleton.parent_index] + [nothing]
    rounds = []
    while any(target != nothing for target in jump):
        rounds.append(jump)
        jump = [jump[target] for target in jump]
    return rounds
