"""The unknowns of a pose that is fitted: where its root is, where its bones point, how long bones alike are."""

from __future__ import annotations

from functools import lru_cache

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen(eq=False)
class Unknowns:
    """N poses of M bones, of which some are of one length: G lengths in all. In double precision.

    A step is [N, P], P = 3 + 2 M + G: metres of the root; by how much each bone is turned, in both ways in which it can
    be; logarithms of lengths.

    Attributes:
        root: [N, 3] metres.
        directions: [N, M, 3], unit vectors.
        lengths: [N, G] logarithms of metres.
    """

    root: Tensor
    directions: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.root)

    @classmethod
    def of(cls, joints: Tensor, skeleton: Skeleton) -> Unknowns:
        """Return those of joints [N, J, 3]; the lengths of left and right are made one."""
        bones = bone_vectors(joints, skeleton)
        lengths = torch.linalg.vector_norm(bones, dim=-1, keepdim=True)
        rest = torch.tensor(skeleton.rest_directions, dtype=bones.dtype, device=bones.device).expand_as(bones)
        directions = torch.where(lengths > 1e-6, bones / lengths.clamp_min(1e-6), rest)
        alike = _tables(skeleton, joints.device)[1]
        # Bones without a length, such as those of joints that nobody could guess, are as long as a hand.
        logs = torch.where(lengths > 1e-3, lengths, 0.1).log()[..., 0]
        return cls(joints[:, skeleton.root], directions, logs @ (alike / alike.sum(0)))

    def joints(self, skeleton: Skeleton) -> Tensor:
        """Return the joints [N, J, 3], metres."""
        alike = _tables(skeleton, self.root.device)[1]
        bones = self.directions * (self.lengths @ alike.T).exp()[..., None]
        return joints_from_bones(bones, self.root, skeleton)

    def across(self) -> Tensor:
        """Return the ways in which bones can be turned, [N, M, 3, 2]: unit vectors across them and each other."""
        axis = torch.nn.functional.one_hot(self.directions.abs().argmin(-1), 3).to(self.directions)
        first = torch.nn.functional.normalize(torch.linalg.cross(self.directions, axis), dim=-1)
        return torch.stack([first, torch.linalg.cross(self.directions, first)], -1)

    def moved(self, step: Tensor, across: Tensor) -> Unknowns:
        """Return the poses a step [N, P] away."""
        bones = self.directions.shape[1]
        root, turned, longer = step[:, :3], step[:, 3 : 3 + 2 * bones], step[:, 3 + 2 * bones :]
        directions = self.directions + (across @ turned.reshape(-1, bones, 2, 1))[..., 0]
        unit = torch.nn.functional.normalize(directions, dim=-1)
        return Unknowns(self.root + root, unit, self.lengths + longer)

    def moves(self, across: Tensor, skeleton: Skeleton) -> Tensor:
        """Return by how many metres each joint moves with each number of a step, [N, J, 3, P]."""
        above, alike = _tables(skeleton, self.root.device)
        n, bones = self.directions.shape[:2]
        size = (self.lengths @ alike.T).exp()[:, :, None]
        with_root = torch.eye(3, dtype=above.dtype, device=above.device).expand(n, len(above), 3, 3)
        turned = torch.einsum("jb,nbck->njcbk", above, across * size[..., None]).reshape(n, -1, 3, 2 * bones)
        longer = torch.einsum("jb,nbc,bg->njcg", above, self.directions * size, alike)
        return torch.cat([with_root, turned, longer], -1)

    def where(self, better: Tensor, other: Unknowns) -> Unknowns:
        """Return these poses where ``better`` [N] is true, and others elsewhere."""
        mask = better[:, None]
        return Unknowns(
            torch.where(mask, self.root, other.root),
            torch.where(mask[..., None], self.directions, other.directions),
            torch.where(mask, self.lengths, other.lengths),
        )


@lru_cache(maxsize=16)
def _tables(skeleton: Skeleton, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which bones lie between the root and each joint, [J, M], and which bones are of one length, [M, G]."""
    ends = [child for _, child in skeleton.bones]
    above = torch.zeros(skeleton.num_joints, skeleton.num_bones, dtype=torch.float64)
    for joint in range(skeleton.num_joints):
        at = joint
        while at != skeleton.root:
            above[joint, ends.index(at)] = 1
            at = skeleton.parent_index[at]
    kinds = [min(child, skeleton.flip_index[child]) for child in ends]
    names = sorted({*kinds})
    alike = torch.tensor([[float(kind == name) for name in names] for kind in kinds], dtype=torch.float64)
    return above.to(device), alike.to(device)
