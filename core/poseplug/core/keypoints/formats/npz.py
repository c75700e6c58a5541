"""Key points in archives of NumPy's: one's own, VideoPose3D's, and those of its script for Detectron.

https://github.com/facebookresearch/VideoPose3D/blob/main/INFERENCE.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown
from poseplug.core.keypoints.formats.arrays import Array, array_file
from poseplug.core.keypoints.people import Size
from poseplug.core.storage.plain_npz import read_npz

_NAMES = {
    "score": ("confidence", "scores", "keypoint_scores"),
    "frame": ("frame", "frames"),
    "track": ("track", "tracks", "track_id"),
    "size": ("size", "image_size"),
    "fps": ("fps",),
}
_KEYS = ("keypoints", "positions_2d")
_LAYOUTS = ("skeleton", "layout", "layout_name")
_OTHERS = ("boxes", "metadata", *_LAYOUTS)
# What VideoPose3D calls layouts.
_LAYOUT_NAMES = {"coco": ("coco17",), "h36m": ("h36m17", "h36m16")}


def open_npz(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open an archive with ``keypoints`` or ``positions_2d``.

    Of VideoPose3D's, which hold several clips, each is a track; of the Detectron script's, frames without people are
    left out.
    """
    found = read_npz(path, (), (*_KEYS, *_OTHERS, *chain.from_iterable(_NAMES.values())))
    arrays = {name: array.item() if _is_object(array) else array for name, array in found.items()}
    key = next((key for key in _KEYS if key in arrays), None)
    if key is None:
        raise PoseplugError(f"'{path}': neither 'keypoints' nor 'positions_2d' is among its arrays; add one of them.")
    also: dict[str, Any] = {part: _first(arrays, names) for part, names in _NAMES.items()}
    values = arrays[key]
    if "boxes" in arrays and key == "keypoints":
        values, extra = _of_detectron(path, values, arrays.get("metadata"))
        also |= extra
        skeleton = skeleton or LAYOUTS["coco17"]
    elif isinstance(values, Mapping):
        values, extra = _of_videopose(path, values, arrays.get("metadata"))
        also |= extra
        skeleton = skeleton or _named(_entry(arrays.get("metadata"), "layout_name"), values)
    elif not isinstance(values, np.ndarray):
        raise PoseplugError(f"'{path}': {key} is {shown(values)}; expected an array [N, J, 2 or 3].")
    named = _named(_first(arrays, _LAYOUTS), values)
    return array_file("npz", path, values, skeleton or named, size, also=also)


def _is_object(array: Array) -> bool:
    """Return whether an array is a wrapping of one object, as NumPy saves dictionaries."""
    return array.dtype == object and array.shape == ()


def _first(arrays: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((arrays[name] for name in names if name in arrays), None)


def _named(name: Any, values: Array) -> Skeleton | None:
    """Return the layout that a file names, if it has as many joints."""
    said = str(name)
    layouts = [LAYOUTS[known] for known in _LAYOUT_NAMES.get(said, (said,)) if known in LAYOUTS]
    return next((found for found in layouts if values.ndim >= 3 and values.shape[-2] == found.num_joints), None)


def _entry(table: Any, key: str) -> Any:
    return table.get(key) if isinstance(table, Mapping) else None


def _clips(path: Path, table: Mapping[Any, Any]) -> Iterator[tuple[str, Array]]:
    """Give the name of the video and the array [T, J, 2 or 3] of each clip."""
    for video, actions in table.items():
        if not isinstance(actions, Mapping):
            raise PoseplugError(f"'{path}': positions_2d of '{video}' is {shown(actions)}; expected a table of clips.")
        for action, cameras in actions.items():
            if not isinstance(cameras, list | tuple | np.ndarray):
                raise PoseplugError(f"'{path}': '{video}', '{action}' is {shown(cameras)}; expected a list of arrays.")
            for camera in cameras:
                if not isinstance(camera, np.ndarray) or camera.ndim != 3 or camera.dtype.kind not in "fiu":
                    raise PoseplugError(
                        f"'{path}': '{video}', '{action}' has a clip that is no array [T, J, 2] of numbers."
                    )
                yield str(video), camera


def _of_videopose(path: Path, table: Mapping[Any, Any], metadata: Any) -> tuple[Array, dict[str, Any]]:
    clips = [*_clips(path, table)]
    if len({clip.shape[1:] for _, clip in clips}) != 1:
        shapes = sorted({str(clip.shape[1:]) for _, clip in clips})
        raise PoseplugError(f"'{path}': clips of {', '.join(shapes) or 'nobody'}; expected some, of the same joints.")
    lengths = [len(clip) for _, clip in clips]
    videos = _entry(metadata, "video_metadata")
    sizes = [_width_height(path, _entry(videos, video)) for video, _ in clips]
    return np.concatenate([clip for _, clip in clips]), {
        "frame": np.concatenate([np.arange(length) for length in lengths]),
        "track": np.repeat(np.arange(len(clips)), lengths),
        "size": np.repeat(np.array(sizes, dtype=np.float64).reshape(-1, 2), lengths, axis=0)
        if any(map(any, sizes))
        else None,
    }


def _width_height(path: Path, video: Any) -> tuple[float, float]:
    if video is None:
        return 0.0, 0.0
    sides = _entry(video, "w"), _entry(video, "h")
    try:
        width, height = (float(side) for side in sides)
    except (TypeError, ValueError):
        raise PoseplugError(f"'{path}': metadata says {shown(video)} of a video; expected w and h in pixels.") from None
    return width, height


def _of_detectron(path: Path, values: Any, metadata: Any) -> tuple[Array, dict[str, Any]]:
    """Return what is in keypoints[frame][1], [n, 4, joints]: rows are x, y, the logit and the probability."""
    people, frames = [np.zeros((0, 4, 17))], []
    for frame, classes in enumerate(values if isinstance(values, list | tuple | np.ndarray) else ()):
        found = classes[1] if isinstance(classes, list | tuple | np.ndarray) and len(classes) > 1 else None
        array = np.zeros((0, 4, 17)) if isinstance(found, list) and not found else found
        if isinstance(array, np.ndarray) and not array.size:
            continue
        if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[1] != 4 or array.dtype.kind not in "fiu":
            raise PoseplugError(f"'{path}', frame {frame}: expected key points [n, 4, joints], found {shown(found)}.")
        people.append(array)
        frames += [frame] * len(array)
    if len({array.shape[2] for array in people[1:]}) > 1:
        raise PoseplugError(f"'{path}': people with different numbers of joints; expected 17.")
    joined = np.concatenate(people if len(people) == 1 else people[1:])
    size = _width_height(path, metadata) if metadata is not None else None
    return joined[:, (0, 1, 3)].transpose(0, 2, 1), {"frame": np.array(frames, dtype=np.int64), "size": size}
