"""Which way limb bones may point: occupancy on the sphere, of lower limbs for each direction of the upper ones.

EvoSkeleton's validity function, Sec. 3.3, after Akhter and Black, "Pose-Conditioned Joint Angle Limits for 3D Human
Pose Reconstruction", CVPR 2015. Differences: frames and grid are our own (``limb_frames``, ``sphere_grid``), and there
is a soft form that gradients can follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.limb_frames import measure_limbs, poses_last
from poseplug.core.anatomy.limb_kinds import KINDS, LimbKind, kind_of
from poseplug.core.anatomy.limbs import Limbs, limbs_of
from poseplug.core.anatomy.limits_file import load_limits, save_limits
from poseplug.core.anatomy.nearest_allowed import NearestAllowed
from poseplug.core.anatomy.sphere_grid import unfold
from poseplug.core.geometry.skeleton import Skeleton

DEFAULT = Path(__file__).with_name("default_limits.safetensors")
# Poses that are looked up together on the CPU: what is in between then stays in its cache.
_CHUNK = 8192


@attrs.frozen(eq=False, slots=False)
class JointLimits:
    """The directions that limb bones of each kind may have.

    Left and right share a table, which is that of the right side. A bone without a table may point anywhere, one
    without a length nowhere.

    Attributes:
        tables: by kind, bool [P, S x S]: the cells of a grid with side S that are allowed, for each of the P cells that
            the direction of the bone above may be in; P is 1 for bones that hang from the torso.
        facts: what they were made of, ready for JSON.
    """

    tables: Mapping[str, Tensor]
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    _plans: dict[Limbs, _Plan] = attrs.field(factory=dict, init=False, repr=False)
    _copies: dict[torch.device, JointLimits] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def default(cls) -> JointLimits:
        """Return the limits that come with poseplug; see docs/anatomy.md for what they are made of."""
        return _default()

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Return the limits of a file, on the CPU.

        Raises:
            PoseplugError: there is no such file, or it does not hold limits.
        """
        return cls(*load_limits(Path(path)))

    def save(self, path: Path | str) -> None:
        """Write the limits to a file (.safetensors).

        Raises:
            PoseplugError: it cannot be written.
        """
        save_limits(Path(path), self.tables, self.facts)

    @property
    def bones(self) -> tuple[LimbKind, ...]:
        """The kinds of bones that have limits."""
        return tuple(kind for kind in KINDS if kind.name in self.tables)

    @property
    def device(self) -> torch.device:
        return next(iter(self.tables.values())).device

    def to(self, device: torch.device | str) -> JointLimits:
        """Return the limits on another device; each time the same ones, with what they have found out since."""
        target = torch.device(device)
        if target == self.device:
            return self
        if target not in self._copies:
            tables = {name: table.to(target) for name, table in self.tables.items()}
            self._copies[target] = JointLimits(tables, self.facts)
        return self._copies[target]

    @torch.no_grad()
    def valid(self, directions: Tensor, limbs: Limbs) -> Tensor:
        """Return which bones point where they may, bool [B, N].

        Args:
            directions: [3, B, N] as in ``LimbPose``, on the limits' device.
            limbs: what the B bones are.
        """
        plan = self._plan(limbs)
        if directions.device.type != "cpu" or directions.shape[2] <= _CHUNK:
            return plan.look_up(directions)[0]
        return torch.cat([plan.look_up(part)[0] for part in torch.split(directions, _CHUNK, dim=2)], 1)

    def accepts(self, joints: Tensor, skeleton: Skeleton) -> Tensor:
        """Return which limb bones of poses [N, J, 3] point where they may, bool [N, B], as in ``limbs_of(skeleton)``.

        Poses may stand and face anywhere and be of any size; no axis may be mirrored.
        """
        limbs = limbs_of(skeleton)
        with torch.no_grad():
            return self.valid(measure_limbs(poses_last(joints), limbs).directions, limbs).T

    def violation(self, joints: Tensor, skeleton: Skeleton) -> Tensor:
        """Return how far limb bones of poses [N, J, 3] are from where they may point, radians [N, B].

        It is 0 where ``accepts`` is true, and else the angle to the middle of the nearest allowed cell, so its gradient
        leads there straight on. Where the bone above points where none was ever seen, that bone's angle to the nearest
        cell in which one was seen comes on top.
        """
        limbs = limbs_of(skeleton)
        pose, plan = measure_limbs(poses_last(joints), limbs), self._plan(limbs)
        with torch.no_grad():
            valid, cells, rows = plan.look_up(pose.directions)
        own = plan.mirrored(pose.directions)
        angles = self._nearest.angles(own, cells)
        detours = self._nearest.detour(own.index_select(1, plan.above), rows)
        further = angles.new_zeros(plan.further, angles.shape[1])
        angles = torch.cat([angles[: plan.first], angles[plan.first :] + detours, further])
        # A bone without length has no direction that a gradient could turn.
        angles = torch.where(pose.lengths > 0, angles, angles.detach())
        return torch.where(valid, 0.0, angles).T

    def _plan(self, limbs: Limbs) -> _Plan:
        if limbs not in self._plans:
            # What is kept serves training as well, so it must not be inference tensors.
            with torch.inference_mode(False), torch.no_grad():
                self._plans[limbs] = _Plan(self, limbs)
        return self._plans[limbs]

    @cached_property
    def _nearest(self) -> NearestAllowed:
        with torch.inference_mode(False), torch.no_grad():
            return NearestAllowed(self.tables)


@cache
def _default() -> JointLimits:
    return JointLimits.load(DEFAULT)


class _Plan:
    """Where each bone of some limbs finds its limits, on one device.

    Bones stand by order, so the ``bones`` that have a kind come first, and of these the ``first`` that hang from the
    torso. A bone of a kind without a table finds the one cell that is always allowed, in a grid of no cells.
    """

    def __init__(self, limits: JointLimits, limbs: Limbs) -> None:
        device = limits.device
        parts, end, end_row = [torch.ones(1, dtype=torch.bool, device=device)], 1, 1
        starts: dict[str, int] = {}
        row_starts: dict[str, int] = {}
        for name, table in limits.tables.items():
            parts.append(table.flatten())
            starts[name], end = end, end + table.numel()
            row_starts[name], end_row = end_row, end_row + len(table)
        self.allowed = torch.cat(parts)
        kinds = [kind for bone in limbs.bones if (kind := kind_of(bone))]
        self.bones, self.further = len(kinds), len(limbs.bones) - len(kinds)
        self.first = sum(not kind.parent for kind in kinds)
        own, above = limbs.bones[: self.bones], limbs.bones[self.first : self.bones]
        shapes = [tuple(limits.tables[kind.name].shape) if kind.name in starts else (0, 0) for kind in kinds]

        def column(values: Iterable[float], dtype: torch.dtype = torch.int32) -> Tensor:
            return torch.tensor(list(values), dtype=dtype, device=device)[:, None]

        self.mirror = column((-1 if bone.side == "left" else 1 for bone in own), torch.float32)
        self.starts = column(starts.get(kind.name, 0) for kind in kinds)
        self.free = column((kind.name not in starts for kind in kinds), torch.bool)
        self.sides = column(math.isqrt(cells) for _, cells in shapes)
        self.above = torch.tensor([bone.parent for bone in above], dtype=torch.int64, device=device)
        self.above_sides = column(math.isqrt(rows) for rows, _ in shapes[self.first :])
        self.strides = column(cells for _, cells in shapes[self.first :])
        self.row_starts = column(row_starts.get(kind.name, 0) for kind in kinds[self.first :])

    def look_up(self, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return whether bones may have directions [3, B, N].

        Returns:
            bool [B, N]; of bones with a kind the numbers of their cells in ``allowed``, int32 [bones, N]; and of those
            that hang from another the numbers of their rows of cells, int32 [bones - first, N].
        """
        u, v = unfold(self.mirrored(directions))
        cells = _cells(u, v, self.sides).add_(self.starts)
        rows = _cells(u.index_select(0, self.above), v.index_select(0, self.above), self.above_sides)
        cells[self.first :] += rows * self.strides
        found = self.allowed.index_select(0, cells.flatten()).view(cells.shape)
        found &= (u == u) | self.free  # what is not a number points nowhere
        if self.further:
            found = torch.cat([found, found.new_ones(self.further, found.shape[1])])
        return found, cells, rows.add_(self.row_starts)

    def mirrored(self, directions: Tensor) -> Tensor:
        """Return directions [3, bones, N] as those of the right side."""
        x, y, z = directions[:, : self.bones].unbind(0)
        return torch.stack([x * self.mirror.to(x.dtype), y, z])


def _cells(u: Tensor, v: Tensor, sides: Tensor) -> Tensor:
    """Return the cells int32 [B, N] of places in the square, in grids of ``sides`` [B, 1]; 0 where there are none."""
    half, last = sides.to(u.dtype) / 2, sides - 1
    column, row = (torch.addcmul(half, x, half).to(torch.int32) for x in (u, v))
    column, row = (torch.minimum(x, last).clamp_min_(0) for x in (column, row))
    return row.mul_(sides).add_(column)
