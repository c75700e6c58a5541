"""Procrustes alignment: the similarity that brings a predicted pose closest to its target, for many poses at once.

The rotation is the quaternion of Horn (1987), "Closed-form solution of absolute orientation using unit quaternions":
the eigenvector of the largest eigenvalue of a symmetric 4x4 matrix made from the cross-covariance. The eigenvalue is a
root of a quartic in closed form, as in Theobald (2005); the eigenvector is a column of an adjugate. That is a few
hundred elementwise operations on arrays [N], many times faster than N small singular value decompositions. They are in
float64, because both steps lose digits where two eigenvalues nearly agree (collinear and mirrored poses).
"""

from __future__ import annotations

import torch
from torch import Tensor

# Poses in one piece: what keeps the working set of a piece within a core's cache.
_PIECE = 8192
_MAX_ITERATIONS = 16
_TOLERANCE = 1e-9
# Slopes smaller than this are rounding errors.
_FLAT = 1e-8
# Adjugates smaller than this stand between eigenvalues that are too close for them.
_BLURRED = 1e-5
_TINY = 1e-300

Matrix = list[list[Tensor]]


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
    covariance = [[(x[a] * y[b]).sum(0) for b in range(3)] for a in range(3)]
    rotation, agreement = best_rotation(covariance, reflection)
    if scale:
        factor = agreement / (x * x).sum((0, 1)).clamp_min(_TINY)
        rotation = [[entry * factor for entry in row] for row in rotation]
    squares = torch.zeros_like(x[0])
    for row, residual in zip(rotation, y, strict=True):
        for entry, plane in zip(row, x, strict=True):
            residual.addcmul_(plane, entry, value=-1)
        squares.addcmul_(residual, residual)
    return squares.to(predicted.dtype).sqrt_()


def _centred(points: Tensor) -> Tensor:
    """Return points [n, J, 3] about their mean, as [3, J, n]: the poses run fastest, which is what vectorises."""
    planes = points.permute(2, 1, 0).to(torch.float64, memory_format=torch.contiguous_format)
    return planes - planes.mean(1, keepdim=True)


def best_rotation(covariance: Matrix, reflection: bool) -> tuple[Matrix, Tensor]:
    """Return the rotations R that maximise trace(R S), and that maximum [n].

    Args:
        covariance: the 3x3 entries S[a][b] = sum over joints of x_a y_b, each [n] float64.
        reflection: whether R may also be a mirrored rotation, where that is better.
    """
    size = torch.stack([entry for row in covariance for entry in row]).square_().sum(0).sqrt_()
    unit = [[entry / size.clamp_min(_TINY) for entry in row] for row in covariance]
    cofactors = _cofactors(unit)
    determinant = sum((u * c for u, c in zip(unit[0], cofactors[0], strict=True)), torch.zeros_like(size))
    # The best mirrored rotation for S is minus the best rotation for -S; it is the better one where det S < 0.
    sign = torch.where(determinant < 0, -1.0, 1.0) if reflection else torch.ones_like(size)
    squares = torch.stack([entry for row in cofactors for entry in row]).square_().sum(0)
    key = _key_matrix([[entry * sign for entry in row] for row in unit])
    quaternion = _dominant_eigenvector(key, determinant * sign, squares)
    rotation = [[entry * sign for entry in row] for row in _rotation(quaternion)]
    agreement = sum((rotation[b][a] * covariance[a][b] for a in range(3) for b in range(3)), torch.zeros_like(size))
    return rotation, agreement


def _cofactors(m: Matrix) -> Matrix:
    def minor(a: int, b: int) -> Tensor:
        i, j, k, h = (a + 1) % 3, (a + 2) % 3, (b + 1) % 3, (b + 2) % 3
        return torch.addcmul(m[i][k] * m[j][h], m[i][h], m[j][k], value=-1)

    return [[minor(a, b) for b in range(3)] for a in range(3)]


def _key_matrix(s: Matrix) -> Matrix:
    """Return Horn's symmetric 4x4 matrix, whose quadratic form is trace(R S) for the quaternion (w, x, y, z) of R."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = s
    w = [yz - zy, zx - xz, xy - yx]
    return [
        [xx + yy + zz, *w],
        [w[0], xx - yy - zz, xy + yx, zx + xz],
        [w[1], xy + yx, yy - xx - zz, yz + zy],
        [w[2], zx + xz, yz + zy, zz - xx - yy],
    ]


def _dominant_eigenvector(key: Matrix, determinant: Tensor, squares: Tensor) -> Tensor:
    """Return unit eigenvectors [4, n] of the largest eigenvalue of the key matrix of a covariance of norm 1.

    Args:
        key: the 4x4 entries, each [n].
        determinant: [n] determinant of the covariance.
        squares: [n] sum of its squared cofactors.
    """
    root = _largest_root(determinant, 1 - 4 * squares)
    # The adjugate of (root - key) is the sum of v v^T over all eigenvectors, each times the product of the *other*
    # eigenvalues' distances from root: that of the largest eigenvalue stands out. At a multiple eigenvalue all of it
    # would be 0, but there the root comes out some 1e-9 too large, and the eigenspace stands out of the rest.
    shifted = [[(root - entry) if i == j else -entry for j, entry in enumerate(row)] for i, row in enumerate(key)]
    adjugate = torch.stack([torch.stack(row) for row in _adjugate(shifted)])
    largest = torch.stack([adjugate[i, i] for i in range(4)]).abs_().max(0)
    vector = adjugate.gather(1, largest.indices.expand(4, 1, -1))[:, 0]
    # Two more powers of the adjugate raise what is left of the other eigenvectors to its cube.
    for _ in range(2):
        vector = (adjugate * vector).sum(1)
    vector = vector / vector.square().sum(0).sqrt_().clamp_min(_TINY)
    # The few poses where even that is not sharp. To find them a GPU would have to wait, so there this vector stands:
    # its squared error is right to 1e-5, and only which of several near-equal rotations it is remains open.
    rows = [] if vector.is_cuda else (largest.values < _BLURRED).nonzero()[:, 0].tolist()
    if rows:
        matrices = torch.stack([torch.stack(row) for row in key])[..., rows].permute(2, 0, 1)
        vector[:, rows] = torch.linalg.eigh(matrices).eigenvectors[..., -1].T
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


def _adjugate(m: Matrix) -> Matrix:
    """Return the adjugate of symmetric 4x4 matrices, from the 2x2 minors of their upper and lower halves."""
    pairs = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    upper = [torch.addcmul(m[0][i] * m[1][j], m[1][i], m[0][j], value=-1) for i, j in pairs]
    lower = [torch.addcmul(m[2][i] * m[3][j], m[3][i], m[2][j], value=-1) for i, j in pairs]
    s0, s1, s2, s3, s4, s5 = upper
    _, c1, c2, c3, c4, c5 = lower

    def combine(row: list[Tensor], *terms: tuple[int, Tensor]) -> Tensor:
        (i, p), (j, q), (k, r) = terms
        return torch.addcmul(torch.addcmul(row[i] * p, row[j], q, value=-1), row[k], r)

    a00 = combine(m[1], (1, c5), (2, c4), (3, c3))
    a01 = -combine(m[0], (1, c5), (2, c4), (3, c3))
    a02 = combine(m[3], (1, s5), (2, s4), (3, s3))
    a03 = -combine(m[2], (1, s5), (2, s4), (3, s3))
    a11 = combine(m[0], (0, c5), (2, c2), (3, c1))
    a12 = -combine(m[3], (0, s5), (2, s2), (3, s1))
    a13 = combine(m[2], (0, s5), (2, s2), (3, s1))
    a22 = combine(m[3], (0, s4), (1, s2), (3, s0))
    a23 = -combine(m[2], (0, s4), (1, s2), (3, s0))
    a33 = combine(m[2], (0, s3), (1, s1), (2, s0))
    return [[a00, a01, a02, a03], [a01, a11, a12, a13], [a02, a12, a22, a23], [a03, a13, a23, a33]]


def _rotation(quaternion: Tensor) -> Matrix:
    """Return the rotation matrices of unit quaternions [4, n] in the order w, x, y, z."""
    w, x, y, z = quaternion
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz, wx, wy, wz = x * y, x * z, y * z, w * x, w * y, w * z
    return [
        [1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy)],
        [2 * (xy + wz), 1 - 2 * (xx + zz), 2 * (yz - wx)],
        [2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy)],
    ]
