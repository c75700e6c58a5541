"""The files of CMU's Panoptic Studio: cameras of a sequence, and the bodies of a frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_datasets.recorded.annotations import numbers, wanted_file

# The order of joints19: the toolbox's README.
PANOPTIC_19 = Skeleton(
    name="panoptic19",
    joints=(
        *("Neck", "Nose", "MidHip", "LShoulder", "LElbow", "LWrist", "LHip", "LKnee", "LAnkle"),
        *("RShoulder", "RElbow", "RWrist", "RHip", "RKnee", "RAnkle", "LEye", "LEar", "REye", "REar"),
    ),
    parents=(
        *("MidHip", "Neck", "", "Neck", "LShoulder", "LElbow", "MidHip", "LHip", "LKnee"),
        *("Neck", "RShoulder", "RElbow", "MidHip", "RHip", "RKnee", "Nose", "LEye", "Nose", "REye"),
    ),
    pairs=tuple(
        ("L" + name, "R" + name) for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Eye", "Ear")
    ),
)
POSES = "hdPose3d_stage1_coco19"
_CM_PER_M = 100.0
# The dome is some 5 m wide: whoever is further off was measured in another unit.
_FARTHEST_M = 100.0
# A rotation may be off by rounding, not by more.
_ROTATION_TOLERANCE = 1e-2
# The world's y axis points down in the files and up here: half a turn about x.
_TURN = np.array([1.0, -1.0, -1.0])


@attrs.frozen(eq=False)
class FilmedBy:
    """A camera of a sequence, in a world with y up.

    Attributes:
        inner: focal lengths, principal point, width and height, pixels.
        distortion: k1, k2, p1, p2, k3 as OpenCV has them.
        rotation: [3, 3] world to camera.
        position: [3] metres.
    """

    inner: tuple[float, ...]
    distortion: NDArray[Any]
    rotation: NDArray[Any]
    position: NDArray[Any]


def read_cameras(file: Path, wanted: tuple[str, ...]) -> list[FilmedBy]:
    """Return cameras of a ``calibration_SEQUENCE.json`` by their names, such as 00_16.

    Raises:
        PoseplugError: the file is missing or damaged, or has no such camera.
    """
    if not file.is_file():
        raise wanted_file(
            file, "the sequence's cameras", "the data set's own download (getData.sh)", "It belongs beside its poses."
        )
    listed = _read(file, "cameras")
    known = {c["name"]: c for c in listed if isinstance(c, dict) and isinstance(c.get("name"), str)}
    lacking = [name for name in wanted if name not in known]
    if lacking:
        raise PoseplugError(
            f"'{file}' has no camera '{lacking[0]}'; it has {one_line(', '.join(sorted(known)) or 'none'):.200}. "
            "Choose with cameras=."
        )
    return [_camera(known[name], f"'{file}', camera {name}") for name in wanted]


def read_bodies(file: Path) -> list[tuple[int, NDArray[Any], NDArray[Any]]]:
    """Return who is in a frame: number, joints [19, 3] in metres in a world with y up, and confidences [19].

    Raises:
        PoseplugError: the file is damaged.
    """
    found = []
    for place, body in enumerate(_read(file, "bodies")):
        where = f"'{file}', body {place}"
        number = body.get("id") if isinstance(body, dict) else None
        if not isinstance(number, int) or abs(number) > 1e9:
            raise PoseplugError(f"{where}: has no number 'id'; the file is damaged.")
        if "joints19" not in body:
            raise PoseplugError(f"{where}: has no 'joints19'; expected poses of {POSES}.")
        joints = _array(body["joints19"], f"{where}, joints19,", 19 * 4).reshape(19, 4)
        world = joints[:, :3] * _TURN / _CM_PER_M
        if np.abs(world).max() > _FARTHEST_M:
            raise PoseplugError(
                f"{where}: a joint is {np.abs(world).max():.4g} m from the middle of the dome; expected centimetres, "
                f"within {_FARTHEST_M:g} m."
            )
        found.append((number, world, joints[:, 3]))
    return found


def _camera(said: dict[str, Any], where: str) -> FilmedBy:
    """Return a camera, whose X in the files is R X + t, centimetres."""
    inner = _array(said.get("K"), f"{where}, K,", 3, 3)
    size = _array(said.get("resolution"), f"{where}, resolution,", 2)
    distortion = _array(said.get("distCoef"), f"{where}, distCoef,", 5)
    rotation = _array(said.get("R"), f"{where}, R,", 3, 3)
    shift = _array(said.get("t"), f"{where}, t,", None, 1)
    if min(inner[0, 0], inner[1, 1], *size) <= 0:
        raise PoseplugError(f"{where} is no camera: its focal lengths and resolution must be above 0.")
    off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if len(shift) != 3 or off > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
        raise PoseplugError(f"{where}: its R is no rotation, or its t is not 3 numbers.")
    position = -rotation.T @ shift[:, 0] * _TURN / _CM_PER_M
    values = (inner[0, 0], inner[1, 1], inner[0, 2], inner[1, 2], *size)
    return FilmedBy(tuple(map(float, values)), distortion, rotation * _TURN, position)


def _read(file: Path, key: str) -> list[Any]:
    """Return a list that stands under a key of a JSON file."""
    try:
        said = json.loads(file.read_bytes())
    except OSError as error:
        raise PoseplugError(f"Cannot read '{file}': {error.strerror or error}; check the path.") from error
    except (ValueError, RecursionError) as error:
        raise PoseplugError(f"'{file}' is no JSON: {one_line(error):.200}.") from error
    found = said.get(key) if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise PoseplugError(f"'{file}' has no list '{key}'; it is no file of the Panoptic Studio, or damaged.")
    return found


def _array(value: Any, where: str, *shape: int | None) -> NDArray[np.float64]:
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # lists of several lengths
        array = np.empty(0, object)
    return numbers(array, where, *shape, of="row").astype(float)
