"""Which way limb bones point: how often poses hold them so, and what joint limits allow (EvoSkeleton, Fig. 7).

A direction is measured in the frame of its bone (``poseplug.core.anatomy.limb_frames``), as azimuth and elevation.
Bones of the left are seen in the mirror, so that both sides are one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import from_spherical, measure_limbs, poses_last, rest_directions, to_spherical
from poseplug.core.anatomy.limb_kinds import KINDS, kind_of
from poseplug.core.anatomy.limbs import LimbBone, Limbs, limbs_of
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError

Array = NDArray[Any]
# Cells of a histogram are squares of so many degrees; allowed are those that limits allow in their middle.
CELL = 5
_COLUMNS, _ROWS = 360 // CELL, 180 // CELL
# A bone that hangs from another may point wherever any so held parent lets it.
_PARENT_STEP = 6


@attrs.frozen(eq=False)
class Held:
    """How the bones of a kind are held in the poses of a source.

    Attributes:
        share: [R, C] the share of bones in each cell; elevation grows with the row, azimuth with the column.
        inside: the share of bones that are within the limits.
        covered: the share of the directions that the limits allow, by solid angle, in whose cell there is a bone.
        bones: how many were looked at.
    """

    share: Array
    inside: float
    covered: float
    bones: int


@attrs.frozen(eq=False)
class Kind:
    """A kind of limb bone.

    Attributes:
        name: "upper arm", ...
        order: 1 where it hangs from the torso.
        allowed: [R, C] bool, the cells that limits allow; of a bone that hangs from another, with any parent.
        straight: azimuth and elevation, degrees, where it goes straight on from its parent; None for order 1.
        held: how each source holds it; None where its poses have no such bone.
    """

    name: str
    order: int
    allowed: Array
    straight: tuple[float, float] | None
    held: Sequence[Held | None]

    @property
    def outline(self) -> tuple[Array, Array]:
        """Azimuths and elevations of the lines about what is allowed, degrees; NaN where one ends."""
        around = np.hstack([self.allowed[:, -1:], self.allowed, self.allowed[:, :1]])  # azimuth goes round
        rows, columns = np.nonzero(around[:, 1:] != around[:, :-1])
        upright = _lines(columns * CELL - 180, rows * CELL - 90, 0, CELL)
        rows, columns = np.nonzero(self.allowed[1:] != self.allowed[:-1])
        level = _lines(columns * CELL - 180, (rows + 1) * CELL - 90, CELL, 0)
        x, y = np.vstack([upright, level]).T
        return x, y


@attrs.frozen(eq=False)
class Directions:
    """Directions of limb bones.

    Attributes:
        sources: the sources, as they are typed; the second is held against the first.
        poses: how many poses of each were looked at.
        within: of each, the share of poses all of whose limb bones are within the limits.
        kinds: the kinds of bones that one of them has.
    """

    sources: Sequence[str]
    poses: Sequence[int]
    within: Sequence[float]
    kinds: Sequence[Kind]

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of ``lines``."""
        of = [""] if len(self.sources) == 1 else [f"{said}: " for said in self.sources]
        return "bone", *(f"{each}{what}" for each in of for what in ("allowed directions covered", "within limits"))

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Give for each kind of bone what there is of it: its name, then for each source two figures."""
        for kind in self.kinds:
            figures = (("", "") if h is None else (f"{h.covered:.1%}", f"{h.inside:.1%}") for h in kind.held)
            yield kind.name, *(figure for pair in figures for figure in pair)
        yield "all bones of a pose", *(figure for share in self.within for figure in ("", f"{share:.1%}"))


def directions(sources: Sequence[tuple[str, PoseBatch]], limits: JointLimits) -> Directions:
    """Return how the limbs of poses are held, of one source or of two: as it is typed, and poses.

    Raises:
        PoseplugError: poses in 2D only, or a skeleton without limbs.
    """
    flat = next((said for said, batch in sources if batch.joints_3d is None), None)
    if flat is not None:
        raise PoseplugError(f"'{flat}' gives 2D only; which way a bone points is measured in 3D.")
    limbs = [limbs_of(batch.skeleton) for _, batch in sources]
    measured = [
        measure_limbs(poses_last(batch.absolute.double()), of).directions
        for (_, batch), of in zip(sources, limbs, strict=True)
    ]
    valid = [limits.valid(each.float(), of) for each, of in zip(measured, limbs, strict=True)]
    kinds = []
    for kind in KINDS:
        bones = [[i for i, bone in enumerate(of.bones) if kind_of(bone) == kind] for of in limbs]
        having = next((i for i, own in enumerate(bones) if own), None)
        if having is None:
            continue
        allowed, straight = _allowed(limits, limbs[having], bones[having][-1])
        held = [
            _held(each[:, own], fine[own], allowed, of.bones, own) if own else None
            for each, fine, own, of in zip(measured, valid, bones, limbs, strict=True)
        ]
        kinds.append(Kind(kind.name.replace("_", " "), kind.order, allowed, straight, held))
    within = [float(fine.all(0).double().mean()) for fine in valid]
    return Directions([said for said, _ in sources], [len(batch) for _, batch in sources], within, kinds)


def _held(vectors: Tensor, fine: Tensor, allowed: Array, bones: Sequence[LimbBone], own: Sequence[int]) -> Held:
    sides = torch.tensor([-1.0 if bones[i].side == "left" else 1.0 for i in own], dtype=vectors.dtype)
    azimuth, elevation = to_spherical(torch.stack([vectors[0] * sides[:, None], vectors[1], vectors[2]]))
    ranges = ((-90, 90), (-180, 180))
    counts, _, _ = np.histogram2d(_degrees(elevation), _degrees(azimuth), (_ROWS, _COLUMNS), ranges)
    solid = np.cos(np.radians(_middles(_ROWS, 90)))[:, None] * allowed
    covered = float((solid * (counts > 0)).sum() / max(solid.sum(), 1e-12))
    return Held(counts / max(counts.sum(), 1), float(fine.double().mean()), covered, int(fine.numel()))


def _allowed(limits: JointLimits, limbs: Limbs, bone: int) -> tuple[Array, tuple[float, float] | None]:
    """Return the cells [R, C] in which a bone may be, seen as one of the right, and where it is straight, degrees."""
    facts, rest = limbs.bones[bone], rest_directions(limbs, torch.zeros(1))
    sign = -1.0 if facts.side == "left" else 1.0
    mirror = torch.tensor([sign, 1.0, 1.0])[:, None]
    cells = _grid(CELL) * mirror
    if facts.parent < 0:
        return _cells(_may(limits, limbs, {bone: cells})[bone]), None
    found = torch.zeros(cells.shape[1], dtype=torch.bool)
    parents = _grid(_PARENT_STEP) * mirror
    for parent in parents[:, _may(limits, limbs, {facts.parent: parents})[facts.parent]].T:
        found |= _may(limits, limbs, {bone: cells, facts.parent: parent[:, None].expand_as(cells)})[bone]
    azimuth, elevation = to_spherical(rest[:, bone, 0] * mirror[:, 0])
    return _cells(found), (math.degrees(float(azimuth)), math.degrees(float(elevation)))


def _may(limits: JointLimits, limbs: Limbs, held: Mapping[int, Tensor]) -> Tensor:
    """Return which bones may be where they are held, bool [B, N]: some in directions [3, N], the others straight."""
    (count,) = {each.shape[1] for each in held.values()}
    every = rest_directions(limbs, torch.zeros(1)).expand(3, len(limbs.bones), count).clone()
    for bone, way in held.items():
        every[:, bone] = way
    return limits.valid(every, limbs)


def _grid(step: int) -> Tensor:
    """Return the unit vectors [3, N] in the middles of cells of so many degrees, row by row."""
    elevation, azimuth = (torch.from_numpy(_middles(end // step, end / 2)).deg2rad() for end in (180, 360))
    rows, columns = torch.meshgrid(elevation, azimuth, indexing="ij")
    return from_spherical(columns.flatten(), rows.flatten()).float()


def _middles(cells: int, end: float) -> Array:
    """Return the middles of so many cells from -end to end."""
    return (np.arange(cells) + 0.5) * (2 * end / cells) - end


def _lines(x: Array, y: Array, right: float, up: float) -> Array:
    """Return lines from K places, [3K, 2]: beginning, end, NaN."""
    begin = np.stack([x, y], -1).astype(float)
    return np.stack([begin, begin + np.array([right, up]), np.full_like(begin, np.nan)], 1).reshape(-1, 2)


def _cells(flat: Tensor) -> Array:
    return flat.reshape(_ROWS, _COLUMNS).numpy()


def _degrees(angle: Tensor) -> Array:
    return np.asarray(angle.rad2deg().flatten())
