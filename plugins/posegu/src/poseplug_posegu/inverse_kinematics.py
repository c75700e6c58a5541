"""Inverse kinematics: root frame and joint angles of poses (section 4.1 of the paper, eq. 6)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.kinematics import bone_vectors, forward_kinematics
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_posegu.joint_angles import Reading, minimal_swing


@attrs.frozen
class Posture:
    """Poses taken apart.

    Attributes:
        frame: [N, 3, 3] root frames F_0.
        angles: [N, M, 3] angles of each bone, radians, as the reading defines them.
        lengths: [N, M] bone lengths, metres.
        root: [N, 3] root positions, metres.
    """

    frame: Tensor
    angles: Tensor
    lengths: Tensor
    root: Tensor


def root_frames(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Return the frame F_0 [N, 3, 3] of each body; columns x (to its left), y (down), z (to its back).

    x joins the left-right pair of joints that hang from the root (the hips), y runs from an unpaired child of the
    root (the spine) to the root, at right angles to x. A skeleton without both, or a pose in which they coincide or
    line up, has the identity.
    """
    identity = torch.eye(3, dtype=joints.dtype, device=joints.device).expand(len(joints), 3, 3)
    found = _root_axes(skeleton)
    if found is None:
        return identity
    left, right, above = found
    across = joints[:, left] - joints[:, right]
    down = joints[:, skeleton.root] - joints[:, above]
    x = torch.nn.functional.normalize(across, dim=-1)
    down = down - (down * x).sum(-1, keepdim=True) * x
    y = torch.nn.functional.normalize(down, dim=-1)
    frame = torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)
    usable = (across.norm(dim=-1) > 1e-6) & (down.norm(dim=-1) > 1e-6)
    return torch.where(usable[:, None, None], frame, identity)


def inverse_kinematics(joints: Tensor, skeleton: Skeleton, reading: Reading) -> Posture:
    """Take poses [N, J, 3] apart; ``pose`` puts them together again exactly.

    Computed in float64, level by level over the tree. A bone of length zero counts as being at rest.
    """
    exact = joints.double()
    frame = root_frames(exact, skeleton)
    rest = torch.tensor(skeleton.rest_directions, dtype=exact.dtype, device=exact.device)
    bones = bone_vectors(exact, skeleton)
    lengths = torch.linalg.vector_norm(bones, dim=-1)
    turned = {-1: frame}
    angles: dict[int, Tensor] = {}
    for level in skeleton.levels:
        index = torch.tensor(level, device=exact.device)
        parents = torch.stack([turned[skeleton.bone_parent[bone]] for bone in level], dim=1)
        local = (parents.mT @ bones[:, index, :, None]).squeeze(-1)
        directions = local / lengths[:, index, None].clamp_min(torch.finfo(exact.dtype).tiny)
        directions = torch.where(lengths[:, index, None] > 0, directions, rest[index])
        swings = minimal_swing(rest[index].expand_as(directions), directions)
        angles |= dict(zip(level, reading.angles(directions, swings).unbind(1), strict=True))
        turned |= dict(zip(level, (parents @ swings).unbind(1), strict=True))
    ordered = torch.stack([angles[bone] for bone in range(skeleton.num_bones)], dim=1)
    return Posture(*(t.to(joints.dtype) for t in (frame, ordered, lengths, exact[:, skeleton.root])))


def pose(posture: Posture, skeleton: Skeleton, reading: Reading) -> Tensor:
    """Return the joints [N, J, 3] of postures, by the general forward kinematics (eqs. 3-5)."""
    rest = torch.tensor(skeleton.rest_directions, dtype=posture.angles.dtype, device=posture.angles.device)
    rotations = reading.rotations(posture.angles, rest.expand_as(posture.angles))
    return forward_kinematics(
        rotations, posture.lengths, skeleton, root_position=posture.root, root_rotation=posture.frame
    )


def _root_axes(skeleton: Skeleton) -> tuple[int, int, int] | None:
    """Return the joints left, right and above that define the root's frame, or None."""
    children = {child for parent, child in skeleton.bones if parent == skeleton.root}
    pairs = [(skeleton.index(left), skeleton.index(right)) for left, right in skeleton.pairs]
    hips = [pair for pair in pairs if children.issuperset(pair)]
    unpaired = sorted(children - {joint for pair in pairs for joint in pair})
    return (*hips[0], unpaired[0]) if hips and unpaired else None
