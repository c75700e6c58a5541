"""Two readings of the paper's joint angles (eqs. 3 and 6), each exactly invertible.

Eq. 6 measures a bone by the angles it makes with three axes, eq. 3 reads the same three numbers as rotations about
those axes; the two are not inverse, so no code can follow both to the letter. A reading keeps one of them and turns the
other into its inverse. All else is common to both: the frame of a bone is F_i = F_parent V_i, and V_i of a seed is the
minimal swing from the rest direction, since joint positions do not show twist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from poseplug.core.geometry.rotations import euler_to_rotmat

# The columns of a rotation, each [3, bones, ...]: component first, so that arithmetic runs along the poses.
Frame = tuple[Tensor, Tensor, Tensor]


class Reading(ABC):
    """How three angles per bone stand for its direction."""

    @abstractmethod
    def angles(self, directions: Tensor, swings: Tensor) -> Tensor:
        """Return the angles [..., 3] of bones, radians.

        Args:
            directions: [..., 3] unit directions in the parent's frame.
            swings: [..., 3, 3] minimal rotations of the rest directions onto them.
        """

    @abstractmethod
    def rotations(self, angles: Tensor, rest: Tensor) -> Tensor:
        """Return the local rotations V [..., 3, 3] that angles [..., 3] give bones with rest directions [..., 3]."""

    @abstractmethod
    def prepare(self, angles: Tensor) -> tuple[Tensor, ...]:
        """Return what ``turn`` needs of angles [3, bones, ...], which may be overwritten."""

    @abstractmethod
    def turn(
        self, frame: Frame, prepared: tuple[Tensor, ...], rest: Tensor, axes: tuple[int, ...], carries: bool
    ) -> tuple[Tensor, Frame | None]:
        """Turn one level of bones; the same arithmetic as ``rotations``, with no more of it than is used.

        Args:
            frame: the parents' frames.
            prepared: of these bones only.
            rest: [3, bones, 1] rest directions.
            axes: the axes along which any of the rest directions has a part.
            carries: whether other bones hang from these, so that their frames are needed.

        Returns:
            directions [3, bones, ...], and the frames where ``carries``.
        """


class Swing(Reading):
    """Eqs. 3-5 as printed: V = Rx Ry Rz. Inverse kinematics gives the Euler angles of the minimal swing."""

    def angles(self, directions: Tensor, swings: Tensor) -> Tensor:
        del directions
        x, y, z = swings.unbind(-2)
        locked = x[..., 2].abs() > 1 - 1e-12
        # At |y| = 90 degrees only the sum or difference of the other two shows: it is given to x.
        about_x = torch.where(locked, torch.atan2(z[..., 1], y[..., 1]), torch.atan2(-y[..., 2], z[..., 2]))
        about_z = torch.where(locked, 0.0, torch.atan2(-x[..., 1], x[..., 0]))
        return torch.stack([about_x, x[..., 2].clamp(-1, 1).asin(), about_z], dim=-1)

    def rotations(self, angles: Tensor, rest: Tensor) -> Tensor:
        del rest
        return euler_to_rotmat("XYZ", angles)

    def prepare(self, angles: Tensor) -> tuple[Tensor, ...]:
        return angles.sin(), angles.cos_()

    def turn(
        self, frame: Frame, prepared: tuple[Tensor, ...], rest: Tensor, axes: tuple[int, ...], carries: bool
    ) -> tuple[Tensor, Frame | None]:
        (sin_x, sin_y, sin_z), (cos_x, cos_y, cos_z) = prepared
        first, second, third = frame
        second, third = spun(second, third, sin_x, cos_x)
        needed = (0, 1, 2) if carries else axes
        columns: dict[int, Tensor] = {}
        if 2 in needed:
            columns[2] = (first * sin_y).addcmul_(third, cos_y)
        if 0 in needed or 1 in needed:
            first = (first * cos_y).addcmul_(third, sin_y, value=-1)
        if 0 in needed:
            columns[0] = (first * cos_z).addcmul_(second, sin_z)
        if 1 in needed:
            columns[1] = (second * cos_z).addcmul_(first, sin_z, value=-1)
        direction = _combined(columns, rest, axes)
        return direction, (columns[0], columns[1], columns[2]) if carries else None


class Cosine(Reading):
    """Eq. 6 as printed: the angles between bone and axes. Sampled angles are brought back to a unit direction."""

    def angles(self, directions: Tensor, swings: Tensor) -> Tensor:
        del swings
        return directions.clamp(-1, 1).acos()

    def rotations(self, angles: Tensor, rest: Tensor) -> Tensor:
        return minimal_swing(rest, torch.nn.functional.normalize(angles.cos(), dim=-1))

    def prepare(self, angles: Tensor) -> tuple[Tensor, ...]:
        cosines = angles.cos_()
        return (cosines.mul_((cosines * cosines).sum(0).clamp_min_(1e-24).rsqrt_()),)

    def turn(
        self, frame: Frame, prepared: tuple[Tensor, ...], rest: Tensor, axes: tuple[int, ...], carries: bool
    ) -> tuple[Tensor, Frame | None]:
        (local,) = prepared
        direction = _applied(frame, local)
        if not carries:
            return direction, None
        half = _half_way(rest, local, component=0)
        mirrored = _half_turn(frame, half)
        return direction, _half_turn(mirrored, rest.expand_as(half))


READINGS: dict[str, Reading] = {"swing": Swing(), "cosine": Cosine()}


def spun(first: Tensor, second: Tensor, sin: Tensor, cos: Tensor) -> tuple[Tensor, Tensor]:
    """Return two columns of a frame after a turn about its third axis (in cyclic order)."""
    return (first * cos).addcmul_(second, sin), (second * cos).addcmul_(first, sin, value=-1)


def minimal_swing(rest: Tensor, directions: Tensor) -> Tensor:
    """Return the smallest rotations [..., 3, 3] that take unit vectors [..., 3] to unit vectors [..., 3].

    Opposite vectors leave the axis open; a fixed perpendicular of ``rest`` decides.
    """
    identity = torch.eye(3, dtype=directions.dtype, device=directions.device)
    half = _half_way(rest, directions, component=-1)

    def half_turn(axis: Tensor) -> Tensor:
        return 2 * axis[..., :, None] * axis[..., None, :] - identity

    return half_turn(half) @ half_turn(rest.expand_as(half))


def _half_way(rest: Tensor, directions: Tensor, component: int) -> Tensor:
    """Return unit vectors half way between two; two half turns, about ``rest`` and this, make the minimal swing."""
    total = rest + directions
    square = (total * total).sum(component, keepdim=True)
    sideways = _perpendicular(rest, component)
    return torch.where(square > 1e-12, total * square.clamp_min(1e-12).rsqrt(), sideways)


def _perpendicular(rest: Tensor, component: int) -> Tensor:
    """Return a unit vector at right angles to each rest direction."""
    x, y, z = rest.unbind(component)
    flat = z.abs() < 0.9
    vector = torch.stack([torch.where(flat, -y, z), torch.where(flat, x, 0.0), torch.where(flat, 0.0, -x)], component)
    return torch.nn.functional.normalize(vector, dim=component)


def _half_turn(frame: Frame, axis: Tensor) -> Frame:
    """Return F (2 a a^T - 1) for frames F and axes a [3, bones, ...]."""
    along = _applied(frame, axis).mul_(2)
    x, y, z = ((along * part).sub_(column) for part, column in zip(axis, frame, strict=True))
    return x, y, z


def _applied(frame: Frame, vector: Tensor) -> Tensor:
    """Return F v for frames F and vectors v [3, bones, ...]."""
    return (frame[0] * vector[0]).addcmul_(frame[1], vector[1]).addcmul_(frame[2], vector[2])


def _combined(columns: dict[int, Tensor], rest: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return F r, leaving out the axes along which no rest direction has a part."""
    total = columns[axes[0]] * rest[axes[0]]
    for axis in axes[1:]:
        total.addcmul_(columns[axis], rest[axis])
    return total
