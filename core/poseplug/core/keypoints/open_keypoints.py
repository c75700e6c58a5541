"""Opening key points of any format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.beginning import Beginning, look_at
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.formats.alphapose import open_alphapose
from poseplug.core.keypoints.formats.coco import open_coco
from poseplug.core.keypoints.formats.csv_table import open_csv
from poseplug.core.keypoints.formats.mediapipe import open_mediapipe
from poseplug.core.keypoints.formats.mmpose import open_mmpose
from poseplug.core.keypoints.formats.npy import open_npy
from poseplug.core.keypoints.formats.npz import open_npz
from poseplug.core.keypoints.formats.openpose import open_openpose
from poseplug.core.keypoints.people import Size


@attrs.frozen
class Format:
    """A format of key points.

    Attributes:
        name: as in ``--format``.
        looks: by what it is recognised, in words.
        recognises: whether a file begins as this format does.
        open: opens a file or folder, given the skeleton and the images' size that the user said, or None.
    """

    name: str
    looks: str
    recognises: Callable[[Beginning], bool]
    open: Callable[[Path, Skeleton | None, Size | None], KeypointFile]


def _keys(item: Any) -> set[str]:
    return {*item} if isinstance(item, dict) else set()


def _is_coco(file: Beginning) -> bool:
    if file.kind == "object":
        return bool({"annotations", "images", "categories"} & {*file.keys})
    person = _keys(file.first)
    return {"image_id", "keypoints"} <= person and not _is_alphapose(file)


def _is_alphapose(file: Beginning) -> bool:
    if file.kind == "object":
        return bool({"bodies", "people"} & _keys(file.first))
    person = _keys(file.first)
    return {"image_id", "keypoints"} <= person and ("idx" in person or isinstance(file.first["image_id"], str))


def _is_mmpose(file: Beginning) -> bool:
    return bool({"instance_info", "meta_info"} & {*file.keys}) or any(
        keys <= _keys(file.first) for keys in ({"instances"}, {"keypoints", "keypoint_scores"})
    )


def _is_mediapipe(file: Beginning) -> bool:
    if file.kind == "object":
        return bool({"landmarks", "pose_landmarks"} & {*file.keys})
    item = file.first
    while isinstance(item, list) and item:
        item = item[0]
    return {"x", "y"} <= _keys(item) or bool({"landmarks", "pose_landmarks"} & _keys(item))


# In the order in which they are tried; of each but arrays and tables, the beginning is JSON.
FORMATS = (
    Format("npy", "an array of NumPy's", lambda file: file.kind == "npy", open_npy),
    Format("npz", "arrays named 'keypoints' or 'positions_2d'", lambda file: file.kind == "zip", open_npz),
    Format("openpose", "files with 'people', or a folder of them", lambda file: "people" in file.keys, open_openpose),
    Format(
        "mmpose", "'instance_info', or a list of {frame_id, instances} or {keypoints, keypoint_scores}",
        _is_mmpose, open_mmpose,
    ),
    Format(
        "alphapose", "a list of {image_id: name, keypoints, idx}, or images with 'bodies' or 'people'",
        _is_alphapose, open_alphapose,
    ),
    Format("coco", "'images' and 'annotations', or a list of {image_id, keypoints}", _is_coco, open_coco),
    Format("mediapipe", "frames of {x, y, visibility}, or 'landmarks'", _is_mediapipe, open_mediapipe),
    Format("csv", "a first line with nose_x,nose_y or joint,x,y", lambda file: file.kind == "table", open_csv),
)  # fmt: skip
_FOLDERS = ("openpose", "mmpose")


def open_keypoints(
    path: Path,
    *,
    format: str = "auto",  # noqa: A002
    skeleton: Skeleton | None = None,
    size: Size | None = None,
) -> KeypointFile:
    """Open a file or folder of key points.

    Args:
        path: the file or folder.
        format: of ``FORMATS``, or "auto": found by what is in it.
        skeleton: its joints, where the format does not say or says otherwise.
        size: width and height of the images, pixels, where the format does not say.

    Raises:
        PoseplugError: there is no such file, the format is none of them, or its beginning is damaged.
    """
    if not path.exists():
        raise PoseplugError(f"There is no file or folder '{path}'; check the path.")
    if size is not None and not all(0 < side < 1e6 for side in size):
        raise PoseplugError(f"The size {size[0]}x{size[1]} is that of no image; give its width and height in pixels.")
    by_name = {known.name: known for known in FORMATS}
    if format != "auto":
        if format not in by_name:
            raise PoseplugError(f"No format of key points is called '{format}'.{did_you_mean(format, by_name)}")
        found = by_name[format]
    else:
        found = _recognised(path)
    if path.is_dir() and found.name not in _FOLDERS:
        raise PoseplugError(f"'{path}' is a folder; give the file of {found.name} in it.")
    return found.open(path, skeleton, size)


def _recognised(path: Path) -> Format:
    beginning = look_at(path)
    found = next((known for known in FORMATS if known.recognises(beginning)), None)
    if found is None:
        looks = "; ".join(f"{known.name}: {known.looks}" for known in FORMATS)
        raise PoseplugError(
            f"'{path}' is none of the formats of key points ({looks}). It is {beginning.described}. If it is one "
            "of them all the same, say which with --format."
        )
    return found
