"""A BVH rig of a skeleton: which joints it has, and the rotations that bring it into poses."""

from __future__ import annotations

import attrs
import numpy as np

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.lifting.spool import Array

# A leaf's own bone ends so far beyond it; Blender asks for ends, and for bones of more than a millimetre.
_END = 0.05


@attrs.frozen(eq=False)
class RigJoint:
    """A joint of a rig.

    Attributes:
        name: of the skeleton's joint, or "ThoraxToHead" for what only turns that bone: where several bones begin at one
            joint, they could otherwise not turn by themselves.
        parent: its place in the rig, -1 for the root.
        joint: the skeleton's joint, or -1.
        offset: from its parent at rest, metres, y up.
        turns: the bones, by the skeleton's joint at their end, whose directions it follows.
    """

    name: str
    parent: int
    joint: int
    offset: tuple[float, float, float]
    turns: tuple[int, ...]


def rig(skeleton: Skeleton, lengths: Array) -> list[RigJoint]:
    """Return the joints of a rig, parents before children.

    Args:
        skeleton: its tree and how its bones point at rest.
        lengths: [M] of its bones, metres.
    """
    rest = rest_directions(skeleton)
    length = {child: float(lengths[bone]) for bone, (_, child) in enumerate(skeleton.bones)}
    children: dict[int, list[int]] = {joint: [] for joint in range(skeleton.num_joints)}
    for parent, child in skeleton.bones:
        children[parent].append(child)
    joints: list[RigJoint] = []

    def add(joint: int, parent: int, offset: tuple[float, float, float]) -> None:
        own, below = len(joints), children[joint]
        joints.append(RigJoint(plain_name(skeleton.joints[joint]), parent, joint, offset, tuple(below)))
        for child in below:
            holder = own
            if len(below) > 1:
                holder = len(joints)
                name = f"{plain_name(skeleton.joints[joint])}To{plain_name(skeleton.joints[child])}"
                joints.append(RigJoint(name, own, -1, (0.0, 0.0, 0.0), (child,)))
            x, y, z = (rest[child] * length[child]).tolist()
            add(child, holder, (x, y, z))

    add(skeleton.root, -1, (0.0, 0.0, 0.0))
    return joints


def plain_name(joint: str) -> str:
    """Return a joint's name as BVH files can have it, without spaces."""
    return "_".join(joint.split())


def rest_directions(skeleton: Skeleton) -> Array:
    """Return the unit direction at rest [J, 3] of the bone that ends at each joint, y up; the root's is zero."""
    rest = np.zeros((skeleton.num_joints, 3))
    for (_, child), direction in zip(skeleton.bones, skeleton.rest_directions, strict=True):
        rest[child] = upright(np.array(direction))
    return rest


def upright(points: Array) -> Array:
    """Return points [..., 3] of the camera's axes (x right, y down, z forward) in BVH's: y up, z towards the viewer."""
    turned: Array = points * np.array([1.0, -1.0, -1.0])
    return turned


def local_rotations(joints: list[RigJoint], skeleton: Skeleton, poses: Array) -> Array:
    """Return rotations [n, R, 3, 3] of the joints of a rig, relative to their parents, for poses [n, J, 3], y up."""
    rest = rest_directions(skeleton)
    n, parent_of = len(poses), skeleton.parent_index
    world = np.zeros((n, len(joints), 3, 3))
    local = np.zeros_like(world)
    for number, joint in enumerate(joints):
        above = world[:, joint.parent] if joint.parent >= 0 else np.broadcast_to(np.eye(3), (n, 3, 3))
        if not joint.turns:
            local[:, number] = np.eye(3)
        else:
            ends = list(joint.turns)
            directions = poses[:, ends] - poses[:, [parent_of[end] for end in ends]]
            directions = directions / np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
            seen = np.einsum("nji,nbj->nbi", above, directions)  # in the frame of the parent
            local[:, number] = (
                shortest_rotations(rest[ends[0]], seen[:, 0]) if len(ends) == 1 else _best(rest[ends], seen)
            )
        world[:, number] = above @ local[:, number]
    return local


def shortest_rotations(direction: Array, targets: Array) -> Array:
    """Return the shortest rotations [n, 3, 3] of a unit direction [3] onto unit targets [n, 3]."""
    cross, cosine = np.cross(direction, targets), targets @ direction
    # Straight back: half a turn about anything that is perpendicular.
    axis = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    axis /= np.linalg.norm(axis)
    half_turn = 2 * np.outer(axis, axis) - np.eye(3)
    skew = np.zeros((len(targets), 3, 3))
    x, y, z = cross.T
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -z, y, -x
    skew -= skew.transpose(0, 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        turns = np.eye(3) + skew + skew @ skew / (1 + cosine)[:, None, None]
    return np.where((cosine < -1 + 1e-9)[:, None, None], half_turn, turns)


def _best(directions: Array, targets: Array) -> Array:
    """Return the rotations [n, 3, 3] that bring several directions [b, 3] nearest to their targets [n, b, 3]."""
    u, _, vt = np.linalg.svd(np.einsum("nbi,bj->nij", targets, directions))
    sign = np.ones((len(targets), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation: Array = (u * sign[:, None]) @ vt
    return rotation


def zxy_angles(rotations: Array) -> Array:
    """Return the angles [..., 3] about z, x and y, degrees, of rotations [..., 3, 3] = Rz Rx Ry."""
    z = np.arctan2(-rotations[..., 0, 1], rotations[..., 1, 1])
    x = np.arcsin(rotations[..., 2, 1].clip(-1, 1))
    y = np.arctan2(-rotations[..., 2, 0], rotations[..., 2, 2])
    angles: Array = np.degrees(np.stack([z, x, y], -1))
    return angles


def end_offset(joint: RigJoint, skeleton: Skeleton) -> tuple[float, float, float]:
    """Return where the bone of a leaf ends, on from where its own bone came."""
    direction = rest_directions(skeleton)[joint.joint]
    if not direction.any():
        direction = np.array([0.0, 1.0, 0.0])
    x, y, z = (direction * _END).tolist()
    return x, y, z
