"""Joint limits from poses: which way bones pointed, and a little around it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.hinges import overextended
from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import measure_limbs, poses_last
from poseplug.core.anatomy.limb_kinds import KINDS, LimbKind, kind_of
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.anatomy.motion_ranges import lower_ranges, upper_ranges
from poseplug.core.anatomy.sphere_grid import SphereGrid
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class LimitSettings:
    """How poses become limits."""

    margin: float = setting(
        6.0, "how far beyond poses that were seen is allowed", unit="degrees", minimum=0, maximum=60
    )
    parent_margin: float = setting(
        12.0,
        "so far from where a bone was seen, the one below may do as it did there",
        unit="degrees",
        minimum=0,
        maximum=60,
    )
    closing: float = setting(6.0, "holes up to twice as wide are filled", unit="degrees", minimum=0, maximum=30)
    count: int = setting(3, "a cell was seen when so many poses were in it", minimum=1)
    keep: float = setting(
        0.995, "of the poses at least this share is accepted; count is lowered for it", minimum=0, maximum=1
    )
    ranges: bool = setting(True, "published ranges of motion are allowed as well")
    hinges: bool = setting(True, "knees and elbows that bend the wrong way are not allowed, unless poses had them")
    cell: float = setting(
        3.0, "size of cells for bones that hang from the torso", unit="degrees", minimum=1, maximum=20
    )
    child_cell: float = setting(4.0, "size of cells for forearms and shins", unit="degrees", minimum=2, maximum=20)
    parent_cell: float = setting(
        11.0, "size of cells for bones that forearms and shins hang from", unit="degrees", minimum=3, maximum=30
    )


class DirectionCounts:
    """How often bones pointed where; memory does not grow with the poses.

    Attributes:
        counts: by kind, int64 [P, cells]; left and right together, as those of the right, and with them their mirror
            image.
    """

    def __init__(self, settings: LimitSettings) -> None:
        self.grids = {kind.name: _grid(kind, settings) for kind in KINDS}
        self.above = SphereGrid.of_degrees(settings.parent_cell)
        self.counts = {
            kind.name: torch.zeros(
                self.above.num_cells if kind.parent else 1, self.grids[kind.name].num_cells, dtype=torch.int64
            )
            for kind in KINDS
        }
        self.poses = 0

    def add(self, joints: Tensor, skeleton: Skeleton) -> None:
        """Count poses [N, J, 3]; those with a coordinate that is no number are left out."""
        limbs = limbs_of(skeleton)
        joints = joints.detach().cpu()
        joints = joints[joints.isfinite().all(-1).all(-1)]
        pose = measure_limbs(poses_last(joints), limbs)
        self.poses += len(joints)
        directions = [
            direction * direction.new_tensor([-1.0 if bone.side == "left" else 1.0, 1, 1])[:, None]
            for direction, bone in zip(pose.directions.unbind(1), limbs.bones, strict=True)
        ]
        for i, bone in enumerate(limbs.bones):
            kind = kind_of(bone)
            if kind is None:
                continue
            own, there = directions[i], pose.lengths[i] > 0
            above = directions[bone.parent] if kind.parent else None
            self._count(kind, own[:, there], None if above is None else above[:, there])
            if not bone.side:
                self._count(kind, own[:, there] * own.new_tensor([-1.0, 1, 1])[:, None], None)

    def _count(self, kind: LimbKind, directions: Tensor, above: Tensor | None) -> None:
        grid, counts = self.grids[kind.name], self.counts[kind.name]
        cells = grid.cells(directions)
        if above is not None:
            cells += self.above.cells(above) * grid.num_cells
        counts.view(-1).index_add_(0, cells, torch.ones_like(cells))


def learn_limits(batches: Iterable[Tensor], skeleton: Skeleton, settings: LimitSettings | None = None) -> JointLimits:
    """Return the limits of poses.

    Args:
        batches: joints [N, J, 3] each, in any unit; every pose counts as its mirror image, too.
        skeleton: of all of them.
        settings: how far beyond them is allowed.

    Raises:
        PoseplugError: there is no pose.
    """
    settings = settings or LimitSettings()
    counts = DirectionCounts(settings)
    for joints in batches:
        counts.add(joints, skeleton)
    return limits_from(counts, settings)


def limits_from(
    counts: DirectionCounts, settings: LimitSettings, facts: Mapping[str, Any] | None = None
) -> JointLimits:
    """Return the limits of poses that were counted; ``facts`` say where they came from.

    Raises:
        PoseplugError: there is no pose.
    """
    if not counts.poses:
        raise PoseplugError("There is no pose to learn joint limits from.")
    for count in range(settings.count, 0, -1):
        tables = _tables(counts, count, settings)
        accepted = {name: _share(table, counts.counts[name]) for name, table in tables.items()}
        # Bones that are refused may all be those of different poses.
        if sum(1 - share for share in accepted.values()) <= 1 - settings.keep:
            break
    said = {
        "poses": counts.poses,
        "settings": attrs.asdict(settings),
        "count": count,
        "accepted": accepted,
        "allowed": {name: float(table.float().mean()) for name, table in tables.items()},
    }
    return JointLimits(tables, {**said, **(facts or {})})


def _tables(counts: DirectionCounts, count: int, settings: LimitSettings) -> dict[str, Tensor]:
    tables: dict[str, Tensor] = {}
    for kind in KINDS:
        if not (settings.ranges or counts.counts[kind.name].any()):
            continue  # a body without arms, or without legs: nobody knows what they may do
        seen, grid = counts.counts[kind.name] >= count, counts.grids[kind.name]
        near = counts.above.dilate(seen.T, math.radians(settings.parent_margin)).T if kind.parent else seen
        table = grid.close(grid.dilate(near, math.radians(settings.margin)), math.radians(settings.closing))
        if settings.ranges:
            table |= _published(kind, counts.above, grid)
        if kind.parent:
            _pair(table, tables[kind.parent][0], counts.grids[kind.parent], counts.above)
            if settings.hinges:
                table &= seen | ~overextended(kind.name, counts.above.centres, grid.centres)
        tables[kind.name] = table
    return tables


def _published(kind: LimbKind, above: SphereGrid, grid: SphereGrid) -> Tensor:
    if kind.parent:
        return lower_ranges(kind.name, above.centres, grid.centres)
    return upper_ranges(kind.name, grid.centres)


def _pair(table: Tensor, parents: Tensor, grid: SphereGrid, above: SphereGrid) -> None:
    """Keep the rows in which the bone above may be; those of them that have nothing get what the nearest has."""
    may, some = torch.zeros(len(table), dtype=torch.bool), table.any(1)
    may[above.cells(grid.centres[:, parents])] = True
    table[may & ~some] = table[above.nearest(some[None])[0]][may & ~some]
    table[~may] = False


def _share(table: Tensor, counts: Tensor) -> float:
    total = int(counts.sum())
    return float(counts[table].sum()) / total if total else 1.0


def _grid(kind: LimbKind, settings: LimitSettings) -> SphereGrid:
    return SphereGrid.of_degrees(settings.child_cell if kind.parent else settings.cell)
