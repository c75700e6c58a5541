"""Procrustes alignment: the similarity that brings a predicted pose closest to its target, for many poses at once.

The rotation is the quaternion of Horn (1987), "Closed-form solution of absolute orientation using unit quaternions":
the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix made from the cross-covariance. The eigenvalue is a
root of a quartic in closed form, as in Theobald (2005); the eigenvector follows from it by Cayley and Hamilton. All is
elementwise on arrays [N], in float64 because both lose digits where two eigenvalues nearly agree (collinear and
mirrored poses). N singular value decompositions would take twice as long on a CPU, and wait for a GPU; the figures are
in benchmarks/test_procrustes.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Poses in one piece: what keeps the working set of a piece within a core's cache.
_PIECE = 8192
_MAX_ITERATIONS = 16
_TOLERANCE = 1e-9
# Slopes smaller than this are rounding errors.
_FLAT = 1e-8
# Where the rotation is less sharp than this, eigenvalues are too close for the closed form.
_BLURRED = 5e-6
_TINY = 1e-300

# The nine entries of 3x3 matrices, row by row, each [n]: one array for each is faster than one for all.
Matrix = list[Tensor]


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
    size = max(len(predicted), 1) if predicted.is_cuda else _PIECE
    pairs = zip(torch.split(predicted, size), torch.split(target, size), strict=True)
    return torch.cat([_piece_errors(p, t, scale, reflection) for p, t in pairs], dim=1).T


def _piece_errors(predicted: Tensor, target: Tensor, scale: bool, reflection: bool) -> Tensor:
    x, y = _centred(predicted), _centred(target)
    transposed, agreement = _best_rotation([(a * b).sum(0) for a in x for b in y], reflection)
    if scale:
        factor = agreement / (x * x).sum((0, 1)).clamp_min(_TINY)
        transposed = [entry * factor for entry in transposed]
    squares = torch.zeros_like(x[0])
    for b, residual in enumerate(y):
        for entry, plane in zip(transposed[b::3], x, strict=True):
            residual.addcmul_(plane, entry, value=-1)
        squares.addcmul_(residual, residual)
    return squares.to(predicted.dtype).sqrt_()


def _centred(points: Tensor) -> Tensor:
    """Return points [n, J, 3] about their mean, as [3, J, n]: the poses run fastest, which is what vectorises."""
    planes = points.permute(2, 1, 0).to(torch.float64, memory_format=torch.contiguous_format)
    return planes - planes.mean(1, keepdim=True)


def _best_rotation(covariance: Matrix, reflection: bool) -> tuple[Matrix, Tensor]:
    """Return the transposes of the rotations R that maximise trace(R S), and that maximum [n].

    Args:
        covariance: S, the sums over joints of x_a y_b.
        reflection: whether R may also be a mirrored rotation, where that is better.
    """
    size = _inner(covariance, covariance).sqrt_().clamp_min_(_TINY)
    unit = [entry / size for entry in covariance]
    first, second, third = unit[:3], unit[3:6], unit[6:]
    cofactors = [*_cross(second, third), *_cross(third, first), *_cross(first, second)]
    determinant = _inner(first, cofactors[:3])
    # The best mirrored rotation for S is minus the best rotation for -S; it is the better one where det S < 0.
    sign = torch.where(determinant < 0, -1.0, 1.0) if reflection else torch.ones_like(size)
    quaternion = _quaternion([entry * sign for entry in unit], cofactors, determinant * sign)
    transposed = [entry * sign for entry in _transposed_rotation(quaternion)]
    return transposed, _inner(transposed, covariance)


def _inner(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    total = one[0] * other[0]
    for a, b in zip(one[1:], other[1:], strict=True):
        total.addcmul_(a, b)
    return total


def _cross(u: Matrix, v: Matrix) -> Matrix:
    pairs = ((1, 2), (2, 0), (0, 1))
    return [torch.addcmul(u[i] * v[j], u[j], v[i], value=-1) for i, j in pairs]


def _key_matrix(s: Matrix, shift: Tensor | float = 0.0) -> Tensor:
    """Return Horn's matrix [4, 4, n], whose quadratic form is trace(R S) for the quaternion (w, x, y, z) of R.

    ``shift`` [n] is added to its diagonal.
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = s
    a, b, c, d, e, f = yz - zy, zx - xz, xy - yx, xy + yx, zx + xz, yz + zy
    rows = [
        [shift + xx + yy + zz, a, b, c],
        [a, shift + xx - yy - zz, d, e],
        [b, d, shift + yy - xx - zz, f],
        [c, e, f, shift + zz - xx - yy],
    ]
    return torch.stack([torch.stack(row) for row in rows])


def _quaternion(s: Matrix, cofactors: Matrix, determinant: Tensor) -> Tensor:
    """Return the unit quaternions [4, n] of the rotations R that maximise trace(R S), for S of norm 1.

    S is U R^T with U symmetric, and the largest eigenvalue of its key matrix, ``root``, is trace U. By Cayley and
    Hamilton, for U,

        sharpness R^T = (root^2 + 1) / 2 S + root cofactors(S) - S S^T S

    where ``sharpness`` is an eighth of the quartic's slope at the root. The key matrix of the right side, with the
    sharpness on its diagonal, is the sum of q q^T over all eigenvectors, each times the product of the *other*
    eigenvalues' distances from the root: that of the largest eigenvalue stands out. At a multiple eigenvalue all of it
    would be 0, but there the root comes out some 1e-9 too large, and the eigenspace stands out of the rest.
    """
    root = _largest_root(determinant, 1 - 4 * _inner(cofactors, cofactors))
    half = (root * root + 1) / 2
    sharpness = root * (half - 1) - determinant
    rows, columns = (s[:3], s[3:6], s[6:]), (s[0::3], s[1::3], s[2::3])
    squares = [[_inner(one, other) for other in rows] for one in rows]
    cubes = [_inner(row, column) for row in squares for column in columns]
    blend = [half * a + root * b - c for a, b, c in zip(s, cofactors, cubes, strict=True)]
    outer = _key_matrix(blend, sharpness)
    largest = outer.diagonal().argmax(-1)
    vector = outer.gather(1, largest.expand(4, 1, -1))[:, 0]
    # Two more powers of it raise what is left of the other eigenvectors to its cube.
    for _ in range(2):
        vector = (outer * vector).sum(1)
    vector = vector / vector.square().sum(0).sqrt_().clamp_min(_TINY)
    # The few poses where even that is not sharp. To find them a GPU would have to wait, so there this vector stands:
    # its squared error is right to 1e-5, and only which of several near-equal rotations it is remains open.
    blurred = [] if vector.is_cuda else (sharpness < _BLURRED).nonzero()[:, 0].tolist()
    if blurred:
        keys = _key_matrix([entry[blurred] for entry in s]).permute(2, 0, 1)
        vector[:, blurred] = torch.linalg.eigh(keys).eigenvectors[..., -1].T
    return vector


def _largest_root(determinant: Tensor, constant: Tensor) -> Tensor:
    """Return the largest root [n] of x^4 - 2 x^2 - 8 determinant x + constant, all of whose roots are real.

    Laguerre's method from an upper bound: it comes down to the root without passing it, cubically, and linearly but
    still fast to a multiple root.
    """
    x = torch.full_like(determinant, 3.0**0.5)
    linear = 8 * determinant
    for _ in range(_MAX_ITERATIONS):
        square = x * x
        value = (square - 2) * square - linear * x + constant
        slope = 4 * (square - 1) * x - linear
        curvature = 12 * square - 4
        width = torch.addcmul(9 * slope * slope, value, curvature, value=-12).clamp_min_(0).sqrt_()
        step = 4 * value / (slope + width).clamp_min_(_FLAT)
        x = x - step
        # On a GPU the question would cost more than the remaining iterations.
        if not x.is_cuda and not bool((step.abs() > _TOLERANCE).any()):
            break
    return x


def _transposed_rotation(quaternion: Tensor) -> Matrix:
    """Return the transposed rotation matrices of unit quaternions [4, n] in the order w, x, y, z."""
    w, x, y, z = quaternion
    xx, yy, zz, xy, xz, yz, wx, wy, wz = x * x, y * y, z * z, x * y, x * z, y * z, w * x, w * y, w * z
    halves = [0.5 - yy - zz, xy + wz, xz - wy, xy - wz, 0.5 - xx - zz, yz + wx, xz + wy, yz - wx, 0.5 - xx - yy]
    return [2 * entry for entry in halves]
