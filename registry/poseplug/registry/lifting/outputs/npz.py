"""Lifted poses as NumPy arrays in one ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from poseplug.core.storage.files import write_whole
from poseplug.registry.lifting.lifted import Lifted, LiftedPoses
from poseplug.registry.lifting.spool import Array


def write_npz(path: Path, lifted: Lifted) -> list[Path]:
    """Write arrays: joints_3d, root, joints_2d, confidence, frame, track, and what they are of.

    Raises:
        PoseplugError: the file cannot be written.
    """
    write_whole(path, lambda temporary: _write(temporary, lifted))
    return [path]


def _write(path: Path, lifted: Lifted) -> None:
    skeleton, n = lifted.skeleton, len(lifted)
    joints = skeleton.num_joints
    columns: dict[str, tuple[tuple[int, ...], Callable[[LiftedPoses], Array]]] = {
        "joints_3d": ((n, joints, 3), lambda poses: poses.joints_3d),
        "root": ((n, 3), lambda poses: poses.root),
        "joints_2d": ((n, joints, 2), lambda poses: poses.joints_2d),
        "confidence": ((n, joints), lambda poses: poses.confidence),
    }
    facts = {
        "frame": lifted.frame,
        "track": lifted.track,
        "joints": np.array(skeleton.joints),
        "parents": np.array(skeleton.parent_index),
        "skeleton": np.array(skeleton.name),
        "units": np.array("metres"),
        "axes": np.array("x right, y down, z forward, of the camera; joints_3d from the root"),
        "root_estimated": np.array(lifted.root_estimated),
        "image": np.array(lifted.image),
        "fps": np.array(np.nan if lifted.fps is None else lifted.fps),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, (shape, column) in columns.items():
            _add(archive, name, shape, (column(poses) for poses in lifted.blocks()))
        for name, values in facts.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)


def _add(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], blocks: Iterable[Array]) -> None:
    """Write an array block by block."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").tobytes())
