"""The three operators on poses: turn bones, scale bones, move the body. Pure functions; gradients flow through all."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def turned(directions: Tensor, residual: Tensor, frozen: Tensor) -> Tensor:
    """Return unit bone directions after the bone-angle operator (eq. 4).

    Args:
        directions: [N, M, 3] unit vectors.
        residual: [N, M, 3], what the augmentor adds to them.
        frozen: [M] bool, bones that keep their direction.
    """
    return torch.where(frozen[:, None], directions, functional.normalize(directions + residual, dim=-1))


def length_ratios(output: Tensor, free: Tensor, group: Tensor, limit: float) -> Tensor:
    """Return by how much each bone's length changes, gamma_bl of eq. 5: [N, M], within +-limit.

    Args:
        output: [N, G], what the augmentor says of each group of bones.
        free: [G], 1 for groups that may change and 0 for those that never do.
        group: [M], the group of each bone; left and right share one.
        limit: the largest relative change.
    """
    return (limit * torch.tanh(output * free)).index_select(1, group)


def rotation_vectors(output: Tensor) -> Tensor:
    """Return axis-angle vectors [N, 3], each component within half a turn, for the network's output [N, 3]."""
    return math.pi * torch.tanh(output)


def translations(output: Tensor) -> Tensor:
    """Return where roots go [N, 3], metres: free to the side, never behind the camera, for outputs [N, 3]."""
    x, y, z = output.unbind(-1)
    return torch.stack([x, y, z.square()], dim=-1)


def rotation_matrices(vectors: Tensor) -> Tensor:
    """Return the matrices [N, 3, 3] of axis-angle vectors [N, 3] by Rodrigues' formula, smooth at zero.

    R = I + (sin a / a) K + ((1 - cos a) / a^2) K^2 with a = |v| and K the cross-product matrix of v.
    """
    angle = torch.linalg.vector_norm(vectors, dim=-1)[:, None, None]
    # sinc has no singularity: sin a / a = sinc(a / pi), (1 - cos a) / a^2 = sinc(a / 2 pi)^2 / 2.
    first, second = torch.sinc(angle / math.pi), 0.5 * torch.sinc(angle / (2 * math.pi)).square()
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
    # K^2 = v v^T - |v|^2 I, without a matrix product that TF32 could round.
    outer = vectors[:, :, None] * vectors[:, None]
    eye = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    squared = outer - eye * vectors.square().sum(-1)[:, None, None]
    return eye + first * cross + second * squared


def rotated(rotation: Tensor, points: Tensor) -> Tensor:
    """Return R p for rotations [N, 3, 3] and points [N, K, 3]; no matrix product, so nothing is rounded to TF32."""
    result: Tensor = (rotation[:, None] * points[:, :, None]).sum(-1)
    return result
