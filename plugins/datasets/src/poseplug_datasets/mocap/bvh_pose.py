"""Forward kinematics of BVH clips: from channel values to joint positions, for all frames at once."""

from __future__ import annotations

from collections import defaultdict

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.rotations import euler_to_rotmat
from poseplug_datasets.mocap.bvh_file import Clip, Joint


@attrs.frozen
class _Plan:
    """Where a hierarchy's numbers go.

    Attributes:
        moved: (joint, axis, column) of every position channel.
        turned: for each order of rotation axes its joints and their columns.
        levels: (joints, their parents) by depth below the root.
    """

    moved: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    turned: tuple[tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]], ...]
    levels: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def joint_positions(clip: Clip, stride: int = 1) -> Tensor:
    """Return where all joints and end sites of every ``stride``-th frame are: [F, J, 3], float64, the file's unit.

    A joint's frame is its parent's, moved by its position and then turned about its own axes in the order of its
    rotation channels, in degrees. A position channel replaces the OFFSET along its axis, at every joint; the axes
    without one keep their OFFSET. (Files that give all joints positions repeat the offsets there; files that give only
    the root positions mostly have a zero OFFSET there. Adding them would double the bones of the first kind.)
    """
    plan = _plan(clip.joints)
    motion = torch.from_numpy(clip.motion[::stride])
    frames, joints = len(motion), len(clip.joints)
    position = torch.tensor([joint.offset for joint in clip.joints], dtype=torch.float64).repeat(frames, 1, 1)
    joint, axis, column = plan.moved
    position[:, joint, axis] = motion[:, column]
    turn = torch.eye(3, dtype=torch.float64).repeat(frames, joints, 1, 1)
    for order, turned, columns in plan.turned:
        turn[:, turned] = euler_to_rotmat(order, torch.deg2rad(motion[:, columns]))
    for children, parents in plan.levels:
        frame = turn[:, parents]
        position[:, children] = position[:, parents] + (frame @ position[:, children, :, None]).squeeze(-1)
        turn[:, children] = frame @ turn[:, children]
    return position


def _plan(joints: tuple[Joint, ...]) -> _Plan:
    moved: list[tuple[int, int, int]] = []
    turned: dict[str, tuple[list[int], list[tuple[int, ...]]]] = defaultdict(lambda: ([], []))
    depth: list[int] = []
    levels: dict[int, list[int]] = defaultdict(list)
    column = 0
    for index, joint in enumerate(joints):
        depth.append(depth[joint.parent] + 1 if joint.parent >= 0 else 0)
        levels[depth[index]].append(index)
        numbered = list(enumerate(joint.channels, column))
        moved += [(index, "XYZ".index(name[0]), at) for at, name in numbered if name.endswith("position")]
        rotations = [(name[0], at) for at, name in numbered if name.endswith("rotation")]
        if rotations:
            group = turned["".join(name for name, _ in rotations)]
            group[0].append(index)
            group[1].append(tuple(at for _, at in rotations))
        column += len(joint.channels)
    return _Plan(
        moved=(tuple(j for j, _, _ in moved), tuple(a for _, a, _ in moved), tuple(c for _, _, c in moved)),
        turned=tuple((order, tuple(which), tuple(columns)) for order, (which, columns) in turned.items()),
        levels=tuple(
            (tuple(level), tuple(joints[index].parent for index in level))
            for at, level in sorted(levels.items())
            if at > 0
        ),
    )
