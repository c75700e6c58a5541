"""Procrustes alignment: the similarity that brings a predicted pose closest to its target, for many poses at once.

The rotation is the quaternion of Horn (1987), "Closed-form solution of absolute orientation using unit quaternions":
the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix made from the cross-covariance. Squaring that matrix
again and again leaves nothing else of it. In float64, elementwise on arrays [N], this takes less time than N singular
value decompositions, a GPU need not be waited for, and a NaN stays where it is; the figures are in
benchmarks/test_procrustes.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.geometry.kinematics import compose

# Poses in one piece: what keeps the working set of a piece within a core's cache.
_PIECE = 2048
# Eigenvalues whose powers of 2^48 are still of one size agree to the last digits; rotations between are as good.
_SQUARINGS = 48
_TINY = 1e-300


@torch.no_grad()
def alignment_errors(predicted: Tensor, target: Tensor, *, scale: bool = True, reflection: bool = False) -> Tensor:
    """Return the distances [N, J] that remain after each predicted pose has been aligned with its target.

    The alignment minimises the sum of squared distances. A pose with a NaN or an infinity gives NaN, and only that
    pose. Where several rotations are equally good (for the mirror image of a symmetric pose), one of them is taken.

    Args:
        predicted: [N, J, 3] in any unit; it is moved.
        target: [N, J, 3] in the unit of the result; it stays.
        scale: whether the alignment may scale; if not it rotates and translates.
        reflection: whether it may also mirror, where that is closer.
    """
    pairs = zip(torch.split(predicted, _PIECE), torch.split(target, _PIECE), strict=True)
    return torch.cat([_piece_errors(_centred(p), _centred(t), scale, reflection) for p, t in pairs]).to(predicted.dtype)


def _centred(points: Tensor) -> Tensor:
    """Return points [n, J, 3] about their mean, as [3, J, n]: the poses run fastest, which is what vectorises."""
    planes = points.permute(2, 1, 0).to(torch.float64, memory_format=torch.contiguous_format)
    return planes - planes.mean(1, keepdim=True)


def _piece_errors(x: Tensor, y: Tensor, scale: bool, reflection: bool) -> Tensor:
    covariance = torch.stack([(x * plane).sum(1) for plane in y])
    # The best mirrored rotation is minus the best rotation for minus the covariance; it is better where det < 0.
    determinant = (torch.linalg.cross(covariance[0], covariance[1], dim=0) * covariance[2]).sum(0)
    sign = torch.where(determinant < 0, -1.0, 1.0) if reflection else 1.0
    rotation = _best_rotation(covariance * sign) * sign
    if scale:
        rotation = rotation * ((rotation * covariance).sum((0, 1)) / x.square().sum((0, 1)).clamp_min(_TINY))
    return (y - compose(rotation, x)).square().sum(0).sqrt().T


def _best_rotation(covariance: Tensor) -> Tensor:
    """Return the rotations R [3, 3, n] whose inner product with the covariance [3, 3, n], sum y_b x_a, is largest."""
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = covariance / covariance.square().sum((0, 1)).sqrt().clamp_min(_TINY)
    # No eigenvalue is below minus this, so that with it on the diagonal the largest is the largest in size too.
    shift = 3**0.5
    rows = [
        [shift + xx - yy - zz, xy + yx, zx + xz, yz - zy],
        [xy + yx, shift + yy - xx - zz, yz + zy, zx - xz],
        [zx + xz, yz + zy, shift + zz - xx - yy, xy - yx],
        [yz - zy, zx - xz, xy - yx, shift + xx + yy + zz],
    ]
    power = torch.stack([torch.stack(row) for row in rows])
    for _ in range(_SQUARINGS):
        power = compose(power, power)
        power *= power.diagonal().sum(-1).reciprocal()
    # What is left is q q^T, or of several such where they are equally good; its longest column is one of these.
    longest = power.diagonal().argmax(-1)
    quaternion = power.gather(1, longest.expand(4, 1, -1))[:, 0]
    x, y, z, w = quaternion / quaternion.square().sum(0).sqrt()
    rows = [
        [0.5 - y * y - z * z, x * y - w * z, x * z + w * y],
        [x * y + w * z, 0.5 - x * x - z * z, y * z - w * x],
        [x * z - w * y, y * z + w * x, 0.5 - x * x - y * y],
    ]
    return 2 * torch.stack([torch.stack(row) for row in rows])
