"""Rotation matrices from Euler angles and from rotation vectors.

The arithmetic is that of roma (Brégier, Deep regression on manifolds, 3DV 2021), to the last bit; a test compares.
Importing roma itself brings along torch's compiler, which takes longer than making all poses of the embedded reference.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

_SMALL_ANGLE = 1e-6


def euler_to_rotmat(axes: str, angles: Tensor) -> Tensor:
    """Return the rotations [..., 3, 3] by angles [..., D], radians, about the body's own axes, one after the other.

    Args:
        axes: D letters of "XYZ": the axis of each angle.
        angles: one for each axis.
    """
    turns = [_about(axis, angle) for axis, angle in zip(axes, angles.unbind(-1), strict=True)]
    if len(turns) == 1:
        return quaternion_to_rotmat(turns[0])
    quaternion = reduce(_product, turns)
    return quaternion_to_rotmat(quaternion / torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True))


def rotvec_to_rotmat(vectors: Tensor) -> Tensor:
    """Return the rotations [..., 3, 3] about vectors [..., 3] by their lengths, radians."""
    angle = torch.linalg.vector_norm(vectors, dim=-1)
    x, y, z = (vectors / angle.clamp_min(_SMALL_ANGLE)[..., None]).unbind(-1)
    sin, rest = angle.sin(), 1 - angle.cos()
    xs, ys, zs = x * sin, y * sin, z * sin
    xy, xz, yz = x * y * rest, x * z * rest, y * z * rest
    xx, yy, zz = x**2 * rest, y**2 * rest, z**2 * rest
    turned = (1 - yy - zz, xy - zs, xz + ys, xy + zs, 1 - xx - zz, -xs + yz, xz - ys, xs + yz, 1 - xx - yy)
    x, y, z = vectors.unbind(-1)
    one = torch.ones_like(x)
    hardly_turned = (one, -z, y, z, one, -x, -y, x, one)
    small = (angle < _SMALL_ANGLE)[..., None]
    matrices = torch.where(small, torch.stack(hardly_turned, -1), torch.stack(turned, -1))
    return matrices.reshape(*x.shape, 3, 3)


def _about(axis: str, angle: Tensor) -> Tensor:
    """Return the unit quaternions [..., 4] (x, y, z, w) by angles [...] about a coordinate axis."""
    half = angle.abs() / 2
    small = half < 2 * torch.finfo(half.dtype).eps ** (1 / 6)
    # sin(half) / half, by its series where that is more accurate.
    ratio = torch.where(small, 1 - half**2 / 6 + half**4 / 120, half.sin() / torch.where(small, 1.0, half))
    none = torch.zeros_like(angle)
    return torch.stack([*(ratio / 2.0 * angle if axis == other else none for other in "XYZ"), half.cos()], dim=-1)


def _product(first: Tensor, second: Tensor) -> Tensor:
    """Return the products of quaternions [..., 4]."""
    vector = first[..., 3:] * second[..., :3] + second[..., 3:] * first[..., :3]
    vector = vector + torch.linalg.cross(first[..., :3], second[..., :3])
    scalar = first[..., 3] * second[..., 3] - (first[..., :3] * second[..., :3]).sum(-1)
    return torch.cat([vector, scalar[..., None]], dim=-1)


def quaternion_to_rotmat(quaternion: Tensor) -> Tensor:
    """Return the rotations [..., 3, 3] of unit quaternions [..., 4] (x, y, z, w)."""
    x, y, z, w = quaternion.unbind(-1)
    x2, y2, z2, w2 = x * x, y * y, z * z, w * w
    xy, xz, yz, xw, yw, zw = x * y, x * z, y * z, x * w, y * w, z * w
    rows = (
        (x2 - y2 - z2 + w2, 2 * (xy - zw), 2 * (xz + yw)),
        (2 * (xy + zw), -x2 + y2 - z2 + w2, 2 * (yz - xw)),
        (2 * (xz - yw), 2 * (yz + xw), -x2 - y2 + z2 + w2),
    )
    return torch.stack([entry for row in rows for entry in row], dim=-1).reshape(*x.shape, 3, 3)
