"""Reading posefiles by memory map: rows come from the disk, or from the system's cache, when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import cattrs
import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.stored_poses import (
    BESIDE,
    CAMERA,
    FORMAT_VERSION,
    OPTIONAL,
    UNITS,
    About,
    InputFile,
    StoredPoses,
    column_type,
    row_shape,
    shard_name,
    shards_in,
)
from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.tensor_bytes import DTYPES, Place, read_header

Array = NDArray[Any]
_ALWAYS = ("joints_2d", "camera", "cameras/focal", "cameras/centre", "cameras/size")


class PoseFile:
    """An opened posefile: one file, or a folder of shards as one. Nothing but headers has been read.

    Args:
        path: the file or folder.

    Attributes:
        path: where it is.
        about: what holds for all poses; labels have the classes of all shards.
        columns: names of what each pose has, such as "joints_3d", "confidence", "labels/subject".

    Raises:
        PoseplugError: there is none, a shard is damaged or missing, or shards do not go together.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._shards = [_Shard(file) for file in _files(self.path)]
        first = self._shards[0]
        for shard in self._shards[1:]:
            if shard.about.skeleton != first.about.skeleton or shard.columns.keys() != first.columns.keys():
                other = sorted(shard.columns.keys() ^ first.columns.keys())
                what = f"only one of them has '{other[0]}'" if other else "their skeletons differ"
                raise PoseplugError(f"'{shard.path}' and '{first.path}' are no shards of one set: {what}.")
        names = {
            label: tuple(dict.fromkeys(name for shard in self._shards for name in shard.about.label_names[label]))
            for label in first.about.label_names
        }
        for shard in self._shards:
            shard.classes = {
                label: np.array([every.index(name) for name in shard.about.label_names[label]], np.int64)
                for label, every in names.items()
            }
        inputs = tuple(dict.fromkeys(file for shard in self._shards for file in shard.about.inputs))
        self.about = attrs.evolve(first.about, label_names=names, inputs=inputs)
        self.columns = frozenset(name for name in first.columns if "cameras/" not in name)
        self._starts = np.cumsum([0, *map(len, self._shards)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def label(self, name: str) -> Array:
        """Return the classes [N] of all poses, int64, numbered as ``about.label_names`` has them.

        Raises:
            PoseplugError: a class without a name.
        """
        return np.concatenate([shard.label(name, slice(None)) for shard in self._shards])

    def scene(self) -> Array:
        """Return the numbers [N] of all poses' scenes, int64, of a file that has them among its ``columns``.

        In all shards of a set equal numbers are one scene.
        """
        return np.concatenate([shard.columns["scene"] for shard in self._shards])

    def rows(self, wanted: Array) -> StoredPoses:
        """Return the poses of row numbers [n] from 0 to N - 1, in their order, on the CPU.

        Raises:
            PoseplugError: one of them is damaged: a number that is none, a camera or class that there is none of.
        """
        wanted = np.asarray(wanted, np.int64)
        order = np.argsort(wanted, kind="stable") if (wanted[1:] < wanted[:-1]).any() else None
        ordered = wanted if order is None else wanted[order]
        # Shards, and rows within them, are gone through as they lie on the disk.
        ends = np.searchsorted(ordered, self._starts)
        found: dict[str, Array] = {}
        for shard, start, low, high in zip(self._shards, self._starts, ends, ends[1:], strict=False):
            if low < high or not len(found):
                shard.gather(ordered[low:high] - start, found, slice(low, high), len(ordered))
        if order is not None:
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            found = {name: values[back] for name, values in found.items()}
        return self._record(found)

    def _record(self, found: Mapping[str, Array]) -> StoredPoses:
        tensors = {name: torch.from_numpy(values) for name, values in found.items()}
        labels = {name: tensors[f"labels/{name}"] for name in self.about.label_names}
        camera = Camera(**{name: tensors[f"cameras/{name}"] for name in CAMERA if f"cameras/{name}" in tensors})
        optional: dict[str, Any] = {name: tensors[name] for name in OPTIONAL if name in tensors}
        poses = PoseBatch(self.about.skeleton, tensors["joints_2d"], camera, labels=labels, **optional)
        return StoredPoses(poses, **{name: tensors[name] for name in BESIDE if name in tensors})


class _Shard:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        places, facts = read_header(path)
        self.about = _about(facts, path)
        self.columns = self._mapped(places)
        self.classes: dict[str, Array] = {}
        labels = {name.removeprefix("labels/") for name in places if name.startswith("labels/")}
        if labels != set(self.about.label_names):
            raise self._damaged("its labels and their names do not agree")

    def __len__(self) -> int:
        return len(self.columns["camera"])

    def label(self, name: str, rows: Array | slice) -> Array:
        stored, classes = self.columns[f"labels/{name}"][rows], self.classes[name]
        if len(stored) and not (int(stored.min()) >= 0 and int(stored.max()) < len(classes)):
            raise self._damaged(f"a class of label '{name}' has no name")
        return classes[stored]

    def gather(self, rows: Array, found: dict[str, Array], where: slice, n: int) -> None:
        """Put some rows of this shard into their places in arrays of n rows, which are made where there are none."""
        cameras = self.columns["camera"].take(rows)
        if len(cameras) and not (int(cameras.min()) >= 0 and int(cameras.max()) < len(self.columns["cameras/focal"])):
            raise self._damaged("a pose has a camera that is not there")
        for name, values in self.columns.items():
            if name == "camera":
                continue
            label = name.startswith("labels/")
            if name not in found:
                found[name] = np.empty((n, *values.shape[1:]), np.int64 if label else values.dtype)
            target = found[name][where]
            if label:
                target[...] = self.label(name.removeprefix("labels/"), rows)
                continue
            # Unlike "raise", "clip" needs no copy; all rows are there.
            values.take(cameras if name.startswith("cameras/") else rows, axis=0, out=target, mode="clip")
            if target.dtype.kind == "f" and not np.isfinite(target).all():
                bad = int(np.flatnonzero(~np.isfinite(target).reshape(len(target), -1).all(1))[0])
                raise self._damaged(f"pose {int(rows[bad])} has a number that is none in '{name}'")

    def _mapped(self, places: Mapping[str, Place]) -> dict[str, Array]:
        missing = sorted({*_ALWAYS} - places.keys())
        if missing or ("cameras/rotation" in places) != ("cameras/position" in places):
            raise self._damaged(f"it has no '{missing[0] if missing else 'cameras/rotation and cameras/position'}'")
        joints, rows = self.about.skeleton.num_joints, places["camera"].shape[:1]
        columns = {}
        for name, place in places.items():
            cameras = places["cameras/focal"].shape[:1]
            try:
                expected = (*(cameras if name.startswith("cameras/") else rows), *row_shape(name, joints))
            except KeyError:
                raise self._damaged(f"nobody knows its '{name}'") from None
            if place.type != column_type(name) or place.shape != expected:
                raise self._damaged(
                    f"'{name}' is {place.type} {list(place.shape)}; expected {column_type(name)} {list(expected)}"
                )
            columns[name] = self._map(place)
        if not len(columns["camera"]):
            raise self._damaged("it holds no poses")
        return columns

    def _map(self, place: Place) -> Array:
        if 0 in place.shape:
            return np.empty(place.shape, DTYPES[place.type])
        try:
            return np.asarray(np.memmap(self.path, DTYPES[place.type], "r", place.start, place.shape))
        except (OSError, ValueError) as error:
            raise PoseplugError(f"Cannot read '{self.path}': {error}.") from None

    def _damaged(self, reason: str) -> PoseplugError:
        return PoseplugError(f"The posefile '{self.path}' is damaged: {reason}. Convert it again.")


def _files(path: Path) -> list[Path]:
    """Return the files of a set in their order."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise PoseplugError(
            f"There is no file or folder '{path}'; posefiles are written by: poseplug data convert SOURCE {path.name}"
        )
    try:
        shards = shards_in(path)
    except OSError as error:
        raise PoseplugError(f"Cannot read the folder '{path}': {error.strerror or error}.") from None
    if not shards:
        raise PoseplugError(f"The folder '{path}' holds no posefile; expected part-00000.safetensors and so on.")
    missing = next(number for number in range(len(shards) + 1) if number not in shards)
    if missing < len(shards):
        raise PoseplugError(f"Of the set '{path}' '{shard_name(missing)}' is missing; it has {len(shards)} shards.")
    return list(shards.values())


def _about(text: str, path: Path) -> About:
    try:
        facts = json.loads(text)
        if facts["format"] != "posefile":
            raise ValueError("it holds something else")
        if facts["format_version"] > FORMAT_VERSION:
            raise PoseplugError(f"'{path}' was written by a later poseplug; install that version to read it.")
        if facts["units"] != UNITS:
            raise ValueError(f"its units are {facts['units']}; expected {UNITS}")
        labels = {str(name): tuple(map(_text, classes)) for name, classes in facts["labels"].items()}
        if any(len({*classes}) < len(classes) for classes in labels.values()):
            raise ValueError("a label has two classes of one name")
        return About(
            skeleton=cattrs.structure(facts["skeleton"], Skeleton),
            label_names=labels,
            made_by=_text(facts["made_by"]),
            made_with={name: _text(version) for name, version in facts["made_with"].items()},
            inputs=tuple(InputFile(_text(f["path"]), int(f["size"]), _text(f["sha256"])) for f in facts["inputs"]),
        )
    except PoseplugError as error:
        raise error if str(path) in str(error) else _no_posefile(path, error) from None
    except RecursionError as error:
        raise _no_posefile(path, error) from None
    except Exception as error:  # what is no JSON, or JSON of another kind, fails in many ways
        raise _no_posefile(path, error) from None


def _no_posefile(path: Path, error: Exception) -> PoseplugError:
    reason = f"there is no {error}" if isinstance(error, KeyError) else one_line(error)[:200]
    return PoseplugError(f"'{path}' is no posefile, or damaged: {reason}.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r:.40}")
    return value
