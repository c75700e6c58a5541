"""What PoseAug asks of a skeleton, derived from its tree, pairs and parts instead of from joint numbers.

On h36m16 every answer is the index set of the released code.
"""

from __future__ import annotations

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton

# Weights of a joint's error by its depth in the limb: hips and shoulders, knees and elbows, feet and wrists.
_DEPTH_WEIGHTS = (5.0, 2.0, 1.0)
_MIDDLE_WEIGHT = 1.0


@attrs.frozen
class JointGroup:
    """Joints whose errors are averaged, and the factor on each."""

    joints: tuple[int, ...]
    weights: tuple[float, ...]


def trunk_bones(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the bones from the root to the joint that arms and head hang from, in that order.

    That joint is the nearest to the root, the root aside, that has several children and is reached without passing
    a joint that has a mirror image. A skeleton without such a joint has no trunk.
    """
    children = _children(skeleton)
    waiting: list[tuple[int, tuple[int, ...]]] = [(skeleton.root, ())]
    for joint, path in waiting:
        if path and len(children[joint]) > 1:
            return path
        middle = [child for child in children[joint] if skeleton.flip_index[child] == child]
        waiting += [(child, (*path, _bone_of(skeleton, child))) for child in middle]
    return ()


def length_groups(skeleton: Skeleton) -> tuple[int, ...]:
    """Return for each bone the number of its group: mirror images share one, numbers follow the first bone of each."""
    first = [min(bone, _twin(skeleton, bone)) for bone in range(skeleton.num_bones)]
    numbers = {bone: number for number, bone in enumerate(sorted(set(first)))}
    return tuple(numbers[bone] for bone in first)


def feedback_groups(skeleton: Skeleton) -> tuple[JointGroup, ...]:
    """Return the groups of joints that the error feedback looks at: by depth in their limb, three or fewer.

    A limb begins where it leaves the trunk; joints from the third on form one group. Of a skeleton with pairs, joints
    on the middle line beyond the trunk (neck, head) count in the second group. The trunk itself is left out.
    """
    trunk = {skeleton.root, *(skeleton.bones[bone][1] for bone in trunk_bones(skeleton))}
    found: list[list[tuple[int, float]]] = [[], [], []]
    for joint in range(skeleton.num_joints):
        if joint in trunk:
            continue
        if skeleton.pairs and skeleton.flip_index[joint] == joint:
            found[1].append((joint, _MIDDLE_WEIGHT))
            continue
        depth = min(_depth(skeleton, joint, trunk), 3) - 1
        found[depth].append((joint, _DEPTH_WEIGHTS[depth]))
    groups = [group for group in found if group]
    return tuple(JointGroup(tuple(j for j, _ in group), tuple(w for _, w in group)) for group in groups)


def part_bones(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Return for each named part of the skeleton the bones whose angles are judged together; parts overlap.

    The part that holds the root: all bones that touch its joints. Another part: the bones that end in its joints and,
    as context, the bone that each of its chains hangs from; for a chain that hangs from the root the other bones that
    start there. Parts of fewer than two bones have no angles and are left out.

    Raises:
        PoseplugError: the skeleton names no parts with angles.
    """
    found = {name: _bones_of_part(skeleton, {skeleton.index(j) for j in part}) for name, part in skeleton.parts.items()}
    found = {name: bones for name, bones in found.items() if len(bones) > 1}
    if not found:
        raise PoseplugError(
            f"Discriminator 'kcs_part' judges the named parts of a body, and skeleton '{skeleton.name}' has none with "
            "two bones or more; use 'kcs_full', or a skeleton with parts."
        )
    return found


def _bones_of_part(skeleton: Skeleton, joints: set[int]) -> tuple[int, ...]:
    ends = {bone for bone, (_, child) in enumerate(skeleton.bones) if child in joints}
    if skeleton.root in joints:
        return tuple(sorted(ends | {bone for bone, (parent, _) in enumerate(skeleton.bones) if parent in joints}))
    context: set[int] = set()
    for bone in ends:
        start = skeleton.bones[bone][0]
        if start == skeleton.root:
            context |= {other for other, (parent, _) in enumerate(skeleton.bones) if parent == start}
        elif start not in joints:
            context.add(skeleton.bone_parent[bone])
    return tuple(sorted(ends | context))


def _children(skeleton: Skeleton) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in skeleton.joints]
    for parent, child in skeleton.bones:
        children[parent].append(child)
    return children


def _bone_of(skeleton: Skeleton, joint: int) -> int:
    """Return the bone that ends at a joint: bones stand in joint order, without the root."""
    return joint - (joint > skeleton.root)


def _twin(skeleton: Skeleton, bone: int) -> int:
    mirrored = skeleton.flip_index[skeleton.bones[bone][1]]
    return bone if mirrored == skeleton.root else _bone_of(skeleton, mirrored)


def _depth(skeleton: Skeleton, joint: int, trunk: set[int]) -> int:
    depth = 0
    while joint not in trunk:
        joint, depth = skeleton.parent_index[joint], depth + 1
    return depth


def facing_pair(skeleton: Skeleton) -> tuple[int, int] | None:
    """Return the mirrored joints (left, right) nearest the root, which tell where a body faces; None without pairs."""
    depth = [0] * skeleton.num_joints
    for level, bones in enumerate(skeleton.levels, start=1):
        for bone in bones:
            depth[skeleton.bones[bone][1]] = level
    pairs = [(skeleton.index(left), skeleton.index(right)) for left, right in skeleton.pairs]
    return min(pairs, key=lambda pair: depth[pair[0]], default=None)
