"""The non-local block of Zhao et al. (CVPR 2019), in which every joint attends to pairs of joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.dense import Dense, Norm


def joint_pairs(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Group the joints by two; a joint left alone is paired with itself.

    Limbs (joints with a mirror image) are joined from their tips inwards, a joint with its parent; what remains of a
    limb with its mirror image; joints on the middle line from the root outwards, each with its first free child.
    On 16-joint Human3.6M that gives the authors' groups: shins, hips, pelvis with spine, thorax with head, forearms,
    shoulders.
    """
    parent, flip, depth = skeleton.parent_index, skeleton.flip_index, _depths(skeleton)
    free = set(range(skeleton.num_joints))
    pairs: list[tuple[int, int]] = []

    def join(first: int, second: int) -> None:
        pairs.append((min(first, second), max(first, second)))
        free.difference_update((first, second))

    limbs = [joint for joint in free if flip[joint] != joint]
    for joint in sorted(limbs, key=lambda joint: -depth[joint]):
        if joint in free and parent[joint] in free and parent[joint] in limbs and parent[joint] != flip[joint]:
            join(joint, parent[joint])
    for joint in limbs:
        if joint in free and flip[joint] in free:
            join(joint, flip[joint])
    for joint in sorted(free, key=lambda joint: depth[joint]):
        if joint in free:
            join(joint, next((child for child in sorted(free) if parent[child] == joint), joint))
    return tuple(pairs)


def _depths(skeleton: Skeleton) -> list[int]:
    depth = [0] * skeleton.num_joints
    for level, bones in enumerate(skeleton.levels, start=1):
        for bone in bones:
            depth[skeleton.bones[bone][1]] = level
    return depth


class NonLocalPairs(nn.Module):
    """Adds to every joint what it gathers from pairs of joints; the identity until its normalisation is trained.

    The affinity of joint i and pair p is ``relu(w . [theta_i, phi_p])`` over the number of pairs (not a softmax), where
    phi and the gathered features g are the maximum over a pair's two joints.

    Args:
        channels: features of a joint; half of them inside the block.
        skeleton: its joints are grouped by ``joint_pairs``.
        device: where the parameters live.
    """

    first: Tensor
    second: Tensor

    def __init__(self, channels: int, skeleton: Skeleton, device: torch.device) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        first, second = torch.tensor(joint_pairs(skeleton), device=device).unbind(-1)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        self.theta = Dense(channels, inner, device=device)
        self.phi = Dense(channels, inner, device=device)
        self.g = Dense(channels, inner, device=device)
        self.affinity = Dense(2 * inner, 1, bias=False, device=device)
        self.expand = Dense(inner, channels, device=device)
        self.norm = Norm(channels, device=device)
        for linear in (self.theta, self.phi, self.g, self.affinity, self.expand):
            nn.init.kaiming_normal_(linear.weight)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return [J, N, C] for x [J, N, C]."""
        of_joint, of_pair = self.affinity.weight[0].chunk(2)
        phi, g = self._pooled(self.phi(x)), self._pooled(self.g(x))
        joints, pairs = self.theta(x) @ of_joint, phi @ of_pair
        affinity = (joints.T[:, :, None] + pairs.T[:, None]).relu() / len(self.first)
        gathered = (affinity @ g.transpose(0, 1)).transpose(0, 1)
        update: Tensor = self.norm(self.expand(gathered))
        return x + update

    def _pooled(self, x: Tensor) -> Tensor:
        return torch.maximum(x[self.first], x[self.second])
