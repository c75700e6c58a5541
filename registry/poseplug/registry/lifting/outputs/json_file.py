"""Lifted poses as JSON, a line for each person in each frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from poseplug.core.storage.files import write_whole
from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.spool import Array

# A tenth of a millimetre, a hundredth of a pixel: nothing that was lifted is known better.
_METRES, _PIXELS, _CONFIDENCE = 4, 2, 3


def write_json(path: Path, lifted: Lifted) -> list[Path]:
    """Write one object: what the poses are of, and "people", sorted by track and frame; null where nothing is known.

    Raises:
        PoseplugError: the file cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8") as file:
            _write(file, lifted)

    write_whole(path, write)
    return [path]


def _write(file: TextIO, lifted: Lifted) -> None:
    skeleton = lifted.skeleton
    head = {
        "format": "poseplug-lifted",
        "version": 1,
        "skeleton": {"name": skeleton.name, "joints": skeleton.joints, "parents": skeleton.parent_index},
        "units": "metres",
        "axes": "x right, y down, z forward, of the camera; joints_3d from the root",
        "root_estimated": lifted.root_estimated,
        "image": lifted.image,
        "fps": lifted.fps,
        "notes": lifted.notes,
        "warnings": lifted.warnings,
    }
    file.write(json.dumps(head, indent=1, allow_nan=False).rstrip("}\n") + ',\n "people": [')
    separator = "\n"
    for poses in lifted.blocks():
        known = np.asarray(np.isfinite(poses.joints_3d).all((1, 2)))
        columns = (
            _rounded(poses.joints_3d, _METRES, known),
            _rounded(poses.root, _METRES, np.asarray(np.isfinite(poses.root).all(1))),
            _rounded(poses.joints_2d, _PIXELS, np.ones(len(known), bool)),
            _rounded(poses.confidence, _CONFIDENCE, np.ones(len(known), bool)),
        )
        for frame, track, *values in zip(poses.frame.tolist(), poses.track.tolist(), *columns, strict=True):
            person = {"track": track, "frame": frame}
            person |= dict(zip(("joints_3d", "root", "joints_2d", "confidence"), values, strict=True))
            file.write(separator + "  " + json.dumps(person, separators=(",", ":"), allow_nan=False))
            separator = ",\n"
    file.write("\n ]\n}\n")


def _rounded(values: Array, digits: int, known: Array) -> list[Any]:
    rounded = np.round(np.nan_to_num(values.astype(np.float64)), digits).tolist()
    return [row if good else None for row, good in zip(rounded, known.tolist(), strict=True)]
