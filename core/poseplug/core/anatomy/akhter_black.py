"""Joint limits from the tables of Akhter and Black.

"Pose-Conditioned Joint Angle Limits for 3D Human Pose Reconstruction", CVPR 2015. The tables are published for
non-commercial use and are not part of poseplug.

They are two files, ``jointAngleModel_v2`` and ``staticPose``, from MATLAB (.mat) or as EvoSkeleton's authors hand them
on (.npy). Upper bones have a map of azimuth and elevation in steps of 3 degrees. Lower bones have, for each cell of the
upper one, a plane that cuts the sphere and a rectangle on that plane. Both are evaluated here at the middles of our
cells, so that what is imported is looked up like all other limits: by 3 degrees for upper bones and 4 for lower ones,
in 6 for the bone above; a left bone may do what the right one's table allows, and the other way round.

Directions in the tables are those from the end of a bone to its start, of bodies whose y and z have been exchanged,
which is a reflection. With our axes right, down and forward they are (-right, -down, forward).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.anatomy.hinges import REST
from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import to_spherical, turn
from poseplug.core.anatomy.limb_kinds import KINDS
from poseplug.core.anatomy.sphere_grid import SphereGrid
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.mat5 import MatFile
from poseplug.core.storage.plain_npz import read_npy

_STEP, _SHAPE = 3.0, (121, 61)
_CELL, _LOWER_CELL, _ABOVE_CELL = 3.0, 4.0, 6.0
_CHUNK = 128
# For each kind the numbers of its tables, right and left, and of lower ones the number in "di" of the bone above.
_RECORDS = {"head": (4,), "upper_arm": (0, 2), "thigh": (5, 8), "forearm": (1, 3), "shin": (6, 9)}
_ABOVE = {"forearm": (2, 5), "shin": (9, 13)}
_MODEL, _POSE = ("angleSprd", "sepPlane", "E2", "bounds"), ("a", "di")
# So near to the axis "a" of staticPose a lower bone's frame is made with "di" instead.
_PARALLEL = 1e-4


@attrs.frozen(eq=False)
class _Record:
    """A lower bone's table: for each cell of the bone above, 121 x 61 of them.

    Attributes:
        planes: [..., 4] normal and offset; not a number where the bone above was never seen.
        axes: [..., 3] a direction in the plane.
        bounds: [..., 4] least and most along it, and across.
    """

    planes: Tensor
    axes: Tensor
    bounds: Tensor


def import_akhter_black(paths: Sequence[Path], *, lower_only: bool = False) -> JointLimits:
    """Return the tables of Akhter and Black as limits.

    Args:
        paths: the two files, in any order.
        lower_only: limits of forearms and shins alone, which is what EvoSkeleton's released code checks in effect.

    Raises:
        PoseplugError: a file is missing, damaged, hostile, or not one of the two.
    """
    arrays = _read(paths)
    axis, others = _numbers(arrays["a"], (3,), "a"), _numbers(arrays["di"], (3, 16), "di")
    above, tables = SphereGrid.of_degrees(_ABOVE_CELL), {}
    for kind in KINDS:
        if lower_only and not kind.parent:
            continue
        grid = SphereGrid.of_degrees(_LOWER_CELL if kind.parent else _CELL)
        allowed = torch.zeros(above.num_cells if kind.parent else 1, grid.num_cells, dtype=torch.bool)
        for side, number in enumerate(_RECORDS[kind.name]):
            sign = torch.tensor([-1.0 if side else 1.0, 1, 1], dtype=torch.float64)[:, None]
            if kind.parent:
                record = _record(arrays, number)
                spare = others[:, _ABOVE[kind.name][side]]
                allowed |= _lower(record, axis, spare, above.centres, grid.centres, sign)
            else:
                spread = _numbers(arrays["angleSprd"][number], _SHAPE, "angleSprd")
                allowed |= (spread[_bins(_theirs(grid.centres * sign))] != 0)[None]
        tables[kind.name] = allowed
    facts = {
        "sources": ["Akhter and Black (2015)", *(path.name for path in paths)],
        "allowed": {name: float(table.float().mean()) for name, table in tables.items()},
    }
    return JointLimits(tables, facts)


def _theirs(directions: Tensor) -> Tensor:
    """Return directions [3, ...] of ours as those of the tables."""
    right, down, forward = directions
    return torch.stack([-right, -down, forward])


def _bins(directions: Tensor) -> tuple[Tensor, ...]:
    """Return the indices of the cells in the tables, azimuth and elevation."""
    azimuth, elevation = (torch.rad2deg(angle) for angle in to_spherical(directions))
    places = (azimuth + 180, elevation + 90)
    return tuple((x / _STEP).floor().long().clamp(0, n - 1) for x, n in zip(places, _SHAPE, strict=True))


def _lower(record: _Record, axis: Tensor, spare: Tensor, parents: Tensor, children: Tensor, sign: Tensor) -> Tensor:
    """Return which children [3, C] are allowed below which parents [3, P], bool [P, C]; both in our frames."""
    rest, allowed = torch.tensor(REST, dtype=torch.float64)[:, None, None], []
    for part in torch.split(parents, _CHUNK, 1):
        along = part[:, :, None].expand(-1, -1, children.shape[1])
        turned = turn(rest.expand_as(along), along, children[:, None].expand_as(along))
        allowed.append(_within(record, _theirs(part * sign), _theirs(turned * sign[..., None]), axis, spare))
    return torch.cat(allowed)


def _within(record: _Record, parents: Tensor, children: Tensor, axis: Tensor, spare: Tensor) -> Tensor:
    """Return which children [3, P, C] of parents [3, P] are allowed; both in the tables' frame of the torso."""
    axes = axis[:, None].expand_as(parents)
    parallel = torch.minimum((parents - axes).norm(dim=0), (parents + axes).norm(dim=0)) < _PARALLEL
    second = torch.where(
        parallel,
        torch.linalg.cross(parents, spare[:, None].expand_as(parents), dim=0),
        torch.linalg.cross(axes, parents, dim=0),
    )
    second = _unit(second)
    frame = torch.stack([parents, second, torch.linalg.cross(parents, second, dim=0)])  # axis, component, P
    local = torch.einsum("akp,kpc->apc", frame, children)
    bins = _bins(parents)
    plane = record.planes[bins].T
    plane = plane / plane.norm(dim=0)
    bounds = record.bounds[bins].T[..., None]
    normal = _unit(plane[:3])
    across = record.axes[bins].T
    across = _unit(across - normal * (normal * across).sum(0))
    u, v = (
        torch.einsum("kp,kpc->pc", direction, local)
        for direction in (across, torch.linalg.cross(normal, across, dim=0))
    )
    before = torch.einsum("kp,kpc->pc", plane[:3], local) + plane[3][:, None]
    inside: Tensor = (u >= bounds[0]) & (u <= bounds[1]) & (v >= bounds[2]) & (v <= bounds[3])
    inside &= before <= 0
    return inside  # no comparison with what is no number is true


def _unit(vectors: Tensor) -> Tensor:
    units: Tensor = vectors / vectors.norm(dim=0)
    return units


def _read(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the arrays of both files by name; those that are cells of arrays as {number: array}."""
    found: dict[str, Any] = {}
    for path in paths:
        if not path.is_file():
            raise PoseplugError(f"There is no file '{path}'.")
        found |= _of_mat(path) if path.suffix.lower() == ".mat" else _of_npy(path)
    lacking = [name for name in (*_MODEL, *_POSE) if name not in found]
    if lacking:
        files = "jointAngleModel_v2 and staticPose, as .mat or .npy"
        raise PoseplugError(
            f"{', '.join(str(path) for path in paths)}: no array '{lacking[0]}'; expected the two files {files}."
        )
    return found


def _wanted(name: str) -> list[int]:
    lower = name != "angleSprd"
    return [n for kind in KINDS if bool(kind.parent) == lower for n in _RECORDS[kind.name]]


def _of_mat(path: Path) -> dict[str, Any]:
    file = MatFile(path)
    names = file.names()
    cells = {
        name: dict(zip(_wanted(name), file.cells(name, _wanted(name)), strict=True)) for name in _MODEL if name in names
    }
    return {**cells, **{name: file.array(name) for name in _POSE if name in names}}


def _of_npy(path: Path) -> dict[str, Any]:
    array = read_npy(path)
    held = array.item() if array.dtype == object and array.size == 1 else None
    if not isinstance(held, Mapping):
        raise PoseplugError(f"'{path}' holds no dictionary of arrays, as jointAngleModel_v2.npy and staticPose.npy do.")
    return {name: held[name] for name in _POSE if name in held} | {
        name: _cells(held[name], name, path) for name in _MODEL if name in held
    }


def _cells(values: Any, name: str, path: Path) -> dict[int, Any]:
    cells = list(values.flat) if isinstance(values, np.ndarray) and values.dtype == object else []
    if len(cells) <= max(_wanted(name)):
        raise PoseplugError(f"'{path}': '{name}' has {len(cells)} tables; expected {max(_wanted(name)) + 1} or more.")
    return {number: cells[number] for number in _wanted(name)}


def _record(arrays: Mapping[str, Any], number: int) -> _Record:
    sizes = {"sepPlane": 4, "E2": 3, "bounds": 4}
    return _Record(*(_numbers(arrays[name][number], (*_SHAPE, n), name) for name, n in sizes.items()))


def _numbers(values: Any, shape: tuple[int, ...], name: str) -> Tensor:
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.size != math.prod(shape) or (array.ndim > 2 and array.shape != shape):
        raise PoseplugError(f"A table of '{name}' has shape {array.shape}; expected numbers of shape {shape}.")
    return torch.tensor(array.reshape(shape), dtype=torch.float64)
