"""Writing posefiles batch by batch, in memory that does not grow with them."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedRandom
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.stored_poses import (
    BESIDE,
    CAMERA,
    FORMAT_VERSION,
    OPTIONAL,
    UNITS,
    About,
    StoredPoses,
    column_type,
    next_shard,
    row_shape,
)
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_whole
from poseplug.core.storage.tensor_bytes import DTYPES, header_bytes

Array = NDArray[Any]
# So many cameras are told apart; what comes after them is stored for each pose anew, in memory that does not grow.
_CAMERAS_KNOWN = 4096
_MOVED_AT_ONCE = 1 << 24


def write_pose_file(path: Path, batches: Iterable[StoredPoses | PoseBatch], about: About, most: int) -> int:
    """Write poses to a file as they come; it is there when it is complete, and not at all before. Return their number.

    Args:
        path: the file; one that is there is replaced.
        batches: the poses, on any device; all with the same fields.
        about: what holds for all of them.
        most: how many there are at most. Where fewer come, what is left free is closed up in the end.

    Raises:
        PoseplugError: no poses, more than ``most``, batches of different fields or skeletons, a number that is none, or
            the file cannot be written.
    """
    count = 0

    def write(temporary: Path) -> None:
        nonlocal count
        with temporary.open("w+b") as file:
            count = _Writer(file, str(path), about, most).write(batches)

    write_whole(path, write)
    return count


def write_pose_set(folder: Path, batches: Iterable[StoredPoses | PoseBatch], about: About, shard_size: int) -> int:
    """Write poses to a new folder of files of ``shard_size`` poses each; see ``write_pose_file``.

    The folder is there when all of them are. Further shards may be written to ``next_shard(folder)`` later.
    """
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    supply, count = _Supply(batches), 0
    try:
        while not supply.empty or not count:
            count += write_pose_file(next_shard(temporary), supply.take(shard_size), about, shard_size)
        temporary.replace(folder)
    except OSError as error:
        raise PoseplugError(f"Cannot write '{folder}': {error}. Free some space or choose another place.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return count


class _Supply:
    """Batches that are given out so many poses at a time."""

    def __init__(self, batches: Iterable[StoredPoses | PoseBatch]) -> None:
        self._batches = iter(batches)
        self._rest: StoredPoses | None = None

    @property
    def empty(self) -> bool:
        while self._rest is None or not len(self._rest):
            batch = next(self._batches, None)
            if batch is None:
                return True
            self._rest = _stored(batch)
        return False

    def take(self, most: int) -> Iterator[StoredPoses]:
        while most > 0 and not self.empty and self._rest is not None:
            part, self._rest = self._rest.select(slice(0, most)), self._rest.select(slice(most, None))
            most -= len(part)
            yield part


class _Column:
    """Rows of one shape, one after the other from a place in the file on."""

    def __init__(self, name: str, shape: tuple[int, ...], start: int) -> None:
        self.name, self.shape, self.start, self.rows = name, shape, start, 0
        self.dtype = DTYPES[column_type(name)]
        self.row_bytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize

    def append(self, file: BufferedRandom, rows: Array) -> None:
        file.seek(self.start + self.rows * self.row_bytes)
        file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def move(self, file: BufferedRandom, to: int) -> int:
        """Move all rows to an earlier place; return where they end."""
        size = self.rows * self.row_bytes
        for done in range(0, size if to != self.start else 0, _MOVED_AT_ONCE):
            file.seek(self.start + done)
            chunk = file.read(min(_MOVED_AT_ONCE, size - done))
            file.seek(to + done)
            file.write(chunk)
        self.start = to
        return to + size


class _Writer:
    """Writes columns side by side, each into room for as many poses as there may be."""

    def __init__(self, file: BufferedRandom, name: str, about: About, most: int) -> None:
        self._file, self._name, self._about, self._most = file, name, about, most
        self._columns: dict[str, _Column] = {}
        self._cameras: dict[bytes, int] = {}
        self._facts = json.dumps(_facts(about))
        self._data = self._count = 0

    def write(self, batches: Iterable[StoredPoses | PoseBatch]) -> int:
        for batch in batches:
            if len(batch):
                self._append(_stored(batch))
        if not self._count:
            raise PoseplugError(f"There are no poses to write to '{self._name}'.")
        self._finish()
        return self._count

    def _append(self, batch: StoredPoses) -> None:
        if batch.poses.skeleton != self._about.skeleton:
            raise PoseplugError(
                f"'{self._name}' is to hold poses of skeleton '{self._about.skeleton.name}', and these are of "
                f"'{batch.poses.skeleton.name}'."
            )
        columns, cameras = _columns_of(batch), _cameras_of(batch)
        if not self._columns:
            self._lay_out([*columns, "camera", *cameras])
        if self._columns.keys() != columns.keys() | cameras.keys() | {"camera"}:
            other = sorted(self._columns.keys() ^ (columns.keys() | cameras.keys() | {"camera"}))
            raise PoseplugError(
                f"Poses for '{self._name}' do not all have '{other[0]}'; either all of a set have it or none."
            )
        if self._count + len(batch) > self._most:
            raise PoseplugError(f"There are more than the {self._most} poses that '{self._name}' was to hold.")
        for name, values in (columns | cameras).items():
            self._check(name, values)
        for name, values in columns.items():
            self._columns[name].append(self._file, values)
        self._columns["camera"].append(self._file, self._numbers(cameras))
        self._count += len(batch)

    def _check(self, name: str, values: Array) -> None:
        bad: Any = None
        if self._columns[name].dtype.kind == "f":
            bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
        elif name.startswith("labels/"):
            classes = self._about.label_names.get(name.removeprefix("labels/"), ())
            bad = (values < 0) | (values >= len(classes))
        if bad is not None and bad.any():
            what = "a number that is none" if self._columns[name].dtype.kind == "f" else "a class without a name"
            raise PoseplugError(f"Pose {self._count + int(bad.argmax())} for '{self._name}' has {what} in '{name}'.")

    def _numbers(self, cameras: Mapping[str, Array]) -> Array:
        """Return the rows [n] of the cameras of n poses; those that are new are written."""
        together = np.concatenate([values.reshape(len(values), -1) for values in cameras.values()], 1)
        rows = np.ascontiguousarray(together).view(np.dtype((np.void, together.shape[1] * together.itemsize)))[:, 0]
        # Neighbours mostly share a camera, and sorting is slow.
        change = np.flatnonzero(np.r_[True, (together[1:].view(np.int32) != together[:-1].view(np.int32)).any(1)])
        first, which = np.unique(rows[change], return_index=True, return_inverse=True)[1:]
        numbers = np.empty(len(first), np.int64)
        new: list[int] = []
        order = np.argsort(first)  # in the order in which they come
        for place in order.tolist():
            key = rows[change[first[place]]].tobytes()
            number = self._cameras.get(key)
            if number is None:
                number = self._columns["cameras/focal"].rows + len(new)
                new.append(int(change[first[place]]))
                if len(self._cameras) < _CAMERAS_KNOWN:
                    self._cameras[key] = number
            numbers[place] = number
        for name, values in cameras.items():
            self._columns[name].append(self._file, values[new])
        return np.repeat(numbers[which.reshape(-1)], np.diff(np.r_[change, len(rows)]))

    def _lay_out(self, names: list[str]) -> None:
        # The widest first, so that every number of the file lies where a machine reads it at once.
        names = sorted(names, key=lambda name: -DTYPES[column_type(name)].itemsize)
        joints = self._about.skeleton.num_joints
        self._columns = {name: _Column(name, row_shape(name, joints), 0) for name in names}
        full = dict.fromkeys(names, self._most)
        # No number of the final header has more digits than those of a full file.
        self._data = place = len(header_bytes(self._entries(full), self._facts))
        for column in self._columns.values():
            column.start = place
            place += self._most * column.row_bytes

    def _finish(self) -> None:
        place = self._data
        for column in self._columns.values():
            place = column.move(self._file, place)
        self._file.truncate(place)
        header = header_bytes(
            self._entries({name: c.rows for name, c in self._columns.items()}), self._facts, self._data
        )
        self._file.seek(0)
        self._file.write(header)

    def _entries(self, rows: Mapping[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {name: (column_type(name), (rows[name], *column.shape)) for name, column in self._columns.items()}


def _facts(about: About) -> dict[str, Any]:
    """Return what stands in the header; the reader's ``_about`` undoes it."""
    skeleton = attrs.asdict(about.skeleton)
    for field in ("parts", "rest"):
        skeleton[field] = {name: list(value) for name, value in getattr(about.skeleton, field).items()}
    return {
        "format": "posefile",
        "format_version": FORMAT_VERSION,
        "units": UNITS,
        "skeleton": skeleton,
        "labels": {name: list(classes) for name, classes in about.label_names.items()},
        "made_by": about.made_by,
        "made_with": dict(about.made_with),
        "inputs": [attrs.asdict(file) for file in about.inputs],
    }


def _stored(batch: StoredPoses | PoseBatch) -> StoredPoses:
    return batch if isinstance(batch, StoredPoses) else StoredPoses(batch)


def _columns_of(batch: StoredPoses) -> dict[str, Array]:
    poses = batch.poses
    found = {"joints_2d": poses.joints_2d, **{name: getattr(poses, name) for name in OPTIONAL}}
    found |= {name: getattr(batch, name) for name in BESIDE}
    found |= {f"labels/{name}": classes for name, classes in poses.labels.items()}
    return {name: _numpy(value) for name, value in found.items() if value is not None}


def _cameras_of(batch: StoredPoses) -> dict[str, Array]:
    camera = batch.poses.camera
    found = {f"cameras/{name}": getattr(camera, name) for name in CAMERA}
    return {name: _numpy(value) for name, value in found.items() if value is not None}


def _numpy(tensor: Tensor) -> Array:
    values = tensor.detach().cpu()
    return (values.to(torch.float32) if values.is_floating_point() else values).numpy()
