"""What a posefile holds: poses, what detectors and trackers said of them, and where all of it came from.

A posefile is a safetensors file, or a folder of such files (shards) that are read as one set:
part-00000.safetensors and so on. N poses of J joints and C cameras are the tensors

- ``joints_2d`` [N, J, 2] pixels and, where there are 3D joints, ``joints_3d`` [N, J, 3] metres, camera frame;
- ``camera`` [N], rows of ``cameras/focal`` [C, 2], ``cameras/centre``, ``cameras/size`` and, where they are known,
  ``cameras/distortion`` [C, 5], ``cameras/rotation`` [C, 3, 3], ``cameras/position`` [C, 3];
- ``labels/NAME`` [N], numbers of classes;
- where there are some, ``confidence`` [N, J] and, [N] each, ``frame``, ``track``, ``scene``, ``origin``, ``weight`` and
  ``extent``.

Everything else is JSON under "poseplug" in the header: what is in ``About``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import attrs
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import TensorRecord

FORMAT_VERSION = 1
UNITS = {"joints_3d": "m", "joints_2d": "px"}
# How the columns of a pose are stored, but for joints_2d: safetensors' name of the type, and the shape of a row.
OPTIONAL = ("joints_3d", "scene", "weight", "origin", "extent")
BESIDE = ("confidence", "frame", "track")
CAMERA = ("focal", "centre", "size", "distortion", "rotation", "position")
_TYPES = {"scene": "I64", "frame": "I64", "track": "I64", "camera": "I32", "origin": "U8"}
_ROWS: dict[str, tuple[int | str, ...]] = {
    "joints_3d": ("J", 3),
    "joints_2d": ("J", 2),
    "confidence": ("J",),
    "cameras/focal": (2,),
    "cameras/centre": (2,),
    "cameras/size": (2,),
    "cameras/distortion": (5,),
    "cameras/rotation": (3, 3),
    "cameras/position": (3,),
    **dict.fromkeys(("scene", "frame", "track", "camera", "origin", "weight", "extent"), ()),
}


def column_type(name: str) -> str:
    """Return safetensors' name for the type of a column."""
    return "I32" if name.startswith("labels/") else _TYPES.get(name, "F32")


def row_shape(name: str, joints: int) -> tuple[int, ...]:
    """Return the shape of a row of a column; raise KeyError if a posefile has none of that name."""
    shape = () if name.startswith("labels/") else _ROWS[name]
    return tuple(joints if size == "J" else int(size) for size in shape)


@attrs.frozen(eq=False)
class StoredPoses(TensorRecord):
    """N poses, and what was said of them besides.

    Attributes:
        poses: the poses.
        confidence: [N, J] float32 in [0, 1], of joints that were detected.
        frame: [N] int64, of the video or of the images.
        track: [N] int64, who it is within a video.
    """

    poses: PoseBatch
    confidence: Tensor | None = None
    frame: Tensor | None = None
    track: Tensor | None = None

    def __len__(self) -> int:
        return len(self.poses)


@attrs.frozen
class InputFile:
    """A file that poses were made from.

    Attributes:
        path: its name below the folder that was given.
        size: in bytes.
        sha256: of its content, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@attrs.frozen(kw_only=True)
class About:
    """What there is to know of all poses of a file.

    Attributes:
        skeleton: the layout of the J joints.
        label_names: for each label the names of its classes.
        made_by: the source, as it is typed.
        made_with: versions of what made the file, by distribution.
        inputs: the files that the poses were made from.
    """

    skeleton: Skeleton
    label_names: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    made_by: str = ""
    made_with: Mapping[str, str] = attrs.field(factory=dict)
    inputs: tuple[InputFile, ...] = ()


def shard_name(number: int) -> str:
    """Return the name of a shard of a set, counted from 0."""
    return f"part-{number:05d}.safetensors"


def shards_in(folder: Path) -> dict[int, Path]:
    """Return the shards of a set by number, in order."""
    numbered = ((re.fullmatch(r"part-(\d+)\.safetensors", path.name), path) for path in folder.iterdir())
    return dict(sorted((int(match[1]), path) for match, path in numbered if match))


def next_shard(folder: Path) -> Path:
    """Return the path of the shard that comes after those in a folder: where a further one is written."""
    return folder / shard_name(max(shards_in(folder), default=-1) + 1 if folder.is_dir() else 0)
