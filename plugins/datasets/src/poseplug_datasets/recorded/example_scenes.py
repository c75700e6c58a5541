"""Tiny files in the layouts of data sets of several people, of two who sway side by side, to try the readers on."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug_datasets.recorded.example_recordings import FRAMES, in_front, person
from poseplug_datasets.recorded.panoptic_files import PANOPTIC_19, POSES

# Joints that the standing person lacks, by what is near.
_NEAR = {"MidHip": "Pelvis", **dict.fromkeys(("Nose", "LEye", "LEar", "REye", "REar"), "Head")}
# Where each of the two stands, metres to the left, forward and up.
_BESIDE = np.array([[0.7, 0.0, 0.0], [-0.7, 0.0, 0.0]])


def write_panoptic(folder: Path) -> None:
    """Write a sequence: a camera 4 m in front of two people, and them, centimetres in a world with y down."""
    (folder / POSES).mkdir(parents=True)
    names = [_NEAR.get(joint, joint) for joint in PANOPTIC_19.joints]
    people = [person(names, seed) + beside for seed, beside in enumerate(_BESIDE)]
    for frame in range(FRAMES):
        bodies = [
            {"id": number, "joints19": np.c_[_centimetres(joints[frame]), np.full(19, 0.9)].ravel().tolist()}
            for number, joints in enumerate(people)
        ]
        said = {"version": 0.7, "univTime": 33.0 * frame, "fpsType": "hd_29_97", "bodies": bodies}
        (folder / POSES / f"body3DScene_{frame:08d}.json").write_text(json.dumps(said))
    camera = {
        "name": "00_16",
        "type": "hd",
        "resolution": [1920, 1080],
        "panel": 0,
        "node": 16,
        "K": [[1400.0, 0, 960], [0, 1400.0, 540], [0, 0, 1]],
        "distCoef": [-0.28, 0.18, 0.0, 0.0, 0.06],
        "R": np.diag((-1.0, 1.0, -1.0)).tolist(),
        "t": [[0.0], [100.0], [400.0]],
    }
    (folder / f"calibration_{folder.name}.json").write_text(json.dumps({"cameras": [camera]}))


def write_mupots(folder: Path) -> None:
    """Write ``annot.mat`` of a sequence: two people in millimetres in the camera's frame."""
    folder.mkdir(parents=True)
    names = LAYOUTS["3dhp17"].joints
    people = [in_front(person(names, seed) + beside) * 1000 for seed, beside in enumerate(_BESIDE)]
    cells = []
    for joints in np.concatenate(people):
        pixels = joints[:, :2] / joints[:, 2:] * 1500 + 1024
        pose = {"annot2": pixels.T, "annot3": joints.T, "univ_annot3": joints.T, "isValidFrame": np.ones((1, 1))}
        cells.append(_struct(pose))
    annotations = _matrix("annotations", 1, (FRAMES, len(people)), cells)
    (folder / "annot.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + annotations)


def _centimetres(standing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a person, to the left, forward, up, in a world whose y axis points down; forward is z."""
    left, forward, up = np.moveaxis(standing, -1, 0)
    return np.stack([-left, -up, forward], axis=-1) * 100


def _struct(fields: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Return a structure of arrays as a MAT file of version 5 has it."""
    length = _element(5, struct.pack("<i", 32))
    names = _element(1, b"".join(name.encode().ljust(32, b"\0") for name in fields))
    arrays = [_matrix("", 6, array.shape, [_element(9, array.tobytes(order="F"))]) for array in fields.values()]
    return _matrix("", 2, (1, 1), [length, names, *arrays])


def _matrix(name: str, kind: int, shape: Sequence[int], contents: Sequence[bytes]) -> bytes:
    head = _element(6, struct.pack("<II", kind, 0)) + _element(5, struct.pack(f"<{len(shape)}i", *shape))
    return _element(14, head + _element(1, name.encode()) + b"".join(contents))


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)
