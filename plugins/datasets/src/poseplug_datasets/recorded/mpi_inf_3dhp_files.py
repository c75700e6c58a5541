"""The files of MPI-INF-3DHP: training and test annotations, and PoseAug's test poses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.mat5 import MatFile
from poseplug.core.storage.plain_npz import most_bytes, read_npz
from poseplug_datasets.recorded.annotations import check_depths, numbers, wanted_file
from poseplug_datasets.recorded.imaged import Film, Recordings, recordings
from poseplug_datasets.recorded.mpi_inf_3dhp_settings import MPIINF3DHPSettings

_MM_PER_M = 1000.0
# Some of the test set's images are square, and the others have their middle far higher.
_SQUARE, _WIDE = (2048.0, 2048.0), (1920.0, 1080.0)
_HIGH_MIDDLE = 800.0
# The focal length of TS1 to TS4, pixels.
_FOCAL = 1499.205
# How far annotated joints may be from the image of their poses (root of the mean square) for both to be of one person.
_MOST_OFF = 50.0
_FILTERS = (None, "gzip")


def read_train(
    files: Sequence[Path], skeleton: Skeleton, config: MPIINF3DHPSettings, chosen: Sequence[int]
) -> Recordings:
    """Return the poses of training sequences (``S*/Seq*/annot.mat``) under the chosen cameras."""
    films = []
    for file in files:
        subject, sequence = file.parts[-3:-1]
        cameras = read_calibration(file.with_name("camera.calibration"))
        mat = MatFile(file)
        poses = mat.cells(config.annotation, chosen)
        annotated = config.joints_2d == "annotated"
        images = mat.cells("annot2", chosen) if annotated else [None] * len(chosen)
        for camera, pose, image in zip(chosen, poses, images, strict=True):
            where = f"'{file}', camera {camera}"
            if camera >= len(cameras):
                raise PoseplugError(f"{where} is not in its camera.calibration, which has {len(cameras)}.")
            joints = numbers(pose, f"{where}, {config.annotation},", None, 28 * 3).reshape(-1, 28, 3)
            pixels = None if image is None else numbers(image, f"{where}, annot2,", len(joints), 28 * 2)
            films.append(
                _film(
                    where,
                    joints[:: config.stride],
                    None if pixels is None else pixels.reshape(-1, 28, 2)[:: config.stride],
                    skeleton,
                    camera=cameras[camera],
                    subject=subject,
                    action=f"{subject} {sequence}",
                )
            )
    return recordings(films, skeleton)


def read_test(files: Sequence[Path], skeleton: Skeleton, config: MPIINF3DHPSettings) -> Recordings:
    """Return the valid frames of test sequences (``TS*/annot_data.mat``)."""
    films = []
    for file in files:
        subject, arrays = file.parent.name, _read_hdf5(file, {"annot2", "annot3", "valid_frame", config.annotation})
        where = f"'{file}'"
        flags = arrays["valid_frame"].reshape(-1)
        valid = numbers(flags, f"{where}, valid_frame,", None, kinds="biuf").astype(bool)
        n = len(valid)
        full, poses, images = (
            numbers(arrays[name], f"{where}, {name},", n, 1, 17, axes, rows=valid)[:, 0]
            for name, axes in (("annot3", 3), (config.annotation, 3), ("annot2", 2))
        )
        if not valid.any():
            raise PoseplugError(f"{where} has no valid frame.")
        activity = arrays.get("activity_annotation")
        action: str | NDArray[Any] = subject
        if activity is not None:
            numbered = numbers(activity.reshape(-1), f"{where}, activity_annotation,", n, rows=valid)
            action = np.array([f"activity {number:g}" for number in numbered[:: config.stride]])
        films.append(
            _film(
                where,
                poses[:: config.stride],
                images[:: config.stride] if config.joints_2d == "annotated" else None,
                skeleton,
                camera=fit_camera(full, images, where),
                subject=subject,
                action=action,
            )
        )
    return recordings(films, skeleton)


def read_poseaug(file: Path, skeleton: Skeleton, stride: int) -> Recordings:
    """Return PoseAug's test poses (``test_3dhp.npz``), pelvis-relative, put where their image says they are.

    The file has neither cameras nor roots, and its pixels are divided by a width that it does not tell. The camera
    is one with which the lifter's input is the file's; roots are fitted to it and are no ground truth.
    """
    if skeleton != H36M_16:
        raise PoseplugError(f"'{file}' has 16 joints; load it with skeleton=h36m16.")
    arrays = read_npz(file, ["pose3d", "pose2d"])
    joints = numbers(arrays["pose3d"], f"'{file}', pose3d,", None, 16, 3)[::stride]
    images = numbers(arrays["pose2d"], f"'{file}', pose2d,", len(arrays["pose3d"]), 16, 2)[::stride]
    width = _SQUARE[0]
    pixels = (images + 1) * width / 2
    camera = (_FOCAL, _FOCAL, width / 2, width / 2, *_SQUARE)
    absolute = joints + _root(joints, (pixels - width / 2) / _FOCAL)[:, None]
    check_depths(absolute[..., 2], f"'{file}' (fitted to pose2d)")
    return recordings([Film(absolute, camera, "test", "test", pixels)], skeleton)


def fit_camera(joints: NDArray[Any], pixels: NDArray[Any], where: str) -> tuple[float, ...]:
    """Return the focal lengths, principal point and size of the camera that sees joints [T, J, 3] at pixels [T, J, 2].

    The least squares of pixel x depth on position and depth, for each axis by itself; the size is one of the two
    that the test set has.
    """
    flat, seen = joints.reshape(-1, 3).astype(float), pixels.reshape(-1, 2).astype(float)
    focal, centre = [], []
    for axis in range(2):
        known = flat[:, [axis, 2]]
        (f, c), _, rank, _ = np.linalg.lstsq(known, seen[:, axis] * flat[:, 2], rcond=None)
        with np.errstate(all="ignore"):
            off = np.sqrt(np.mean((seen[:, axis] - (known @ (f, c)) / flat[:, 2]) ** 2))
        if rank < 2 or f <= 0 or not off < _MOST_OFF:
            raise PoseplugError(f"{where}: annot2 is not the image of annot3 in any camera; the file is damaged.")
        focal.append(float(f))
        centre.append(float(c))
    return (*focal, *centre, *(_SQUARE if centre[1] > _HIGH_MIDDLE else _WIDE))


def read_calibration(file: Path) -> list[tuple[float, ...]]:
    """Return for each camera of a ``camera.calibration`` focal lengths, principal point and size, pixels."""
    if not file.is_file():
        raise wanted_file(file, "the sequence's cameras", "the data set's own download", "It belongs beside annot.mat.")
    sizes, inner = [], []
    try:
        for line in file.read_text(encoding="ascii").splitlines():
            word, *values = line.split() or [""]
            if word == "size":
                sizes.append(np.array(values, float).reshape(2))
            elif word == "intrinsic":
                inner.append(np.array(values, float).reshape(4, 4))
    except (OSError, ValueError) as error:
        raise PoseplugError(f"'{file}' is damaged: {one_line(error)}.") from error
    cameras = [(*k[[0, 1], [0, 1]], *k[:2, 2], *size) for k, size in zip(inner, sizes, strict=False)]
    good = (np.isfinite(camera).all() and min(camera[0], camera[1], camera[4], camera[5]) > 0 for camera in cameras)
    if len(sizes) != len(inner) or not all(good):
        raise PoseplugError(f"'{file}' has cameras without a size or without a focal length.")
    return [tuple(map(float, camera)) for camera in cameras]


def _film(
    where: str,
    joints_mm: NDArray[Any],
    pixels: NDArray[Any] | None,
    skeleton: Skeleton,
    *,
    camera: tuple[float, ...],
    subject: str,
    action: str | NDArray[Any],
) -> Film:
    """Return a person's film, of joints [T, J, 3] and pixels [T, J, 2] in the layout that so many joints have."""
    mapping = map_layout(LAYOUTS[f"3dhp{joints_mm.shape[1]}"], skeleton)
    joints = mapping(torch.from_numpy(joints_mm / _MM_PER_M)).numpy()
    check_depths(joints[..., 2], where)
    found = None if pixels is None else mapping(torch.from_numpy(pixels.astype(float))).numpy()
    return Film(joints, camera, subject, action, found)


def _root(joints: NDArray[Any], plane: NDArray[Any]) -> NDArray[Any]:
    """Return the roots [T, 3] with which root-relative joints [T, J, 3] are seen at image-plane points [T, J, 2].

    The least squares of X + x - u (Z + z) = 0 and the same for y.
    """
    n, j = plane.shape[:2]
    left = np.zeros((n, j, 2, 3))
    left[..., 0, 0] = left[..., 1, 1] = 1
    left[..., 2] = -plane
    right = plane * joints[..., 2:] - joints[..., :2]
    flat = left.reshape(n, 2 * j, 3)
    found: NDArray[Any] = np.linalg.pinv(flat) @ right.reshape(n, 2 * j, 1)
    return found[..., 0]


def _read_hdf5(file: Path, names: set[str]) -> dict[str, NDArray[Any]]:
    """Return named arrays of numbers of an HDF5 file, and ``activity_annotation`` if it has one."""
    try:
        with h5py.File(file, "r") as opened:
            lacking = sorted(names - set(opened))
            if lacking:
                raise PoseplugError(
                    f"'{file}' holds no array '{lacking[0]}'; it has {one_line(', '.join(sorted(opened)[:20]))}."
                )
            optional = {"activity_annotation"} & set(opened)
            return {name: _dataset(opened, name, file) for name in sorted(names | optional)}
    except PoseplugError:
        raise
    # What the HDF5 library finds wrong with a file comes as almost any exception.
    except Exception as error:
        raise PoseplugError(f"'{file}' is damaged, or no MAT file of version 7.3: {one_line(error):.200}.") from error


def _dataset(opened: h5py.File, name: str, file: Path) -> NDArray[Any]:
    """Return a dataset that is in the file itself and as large as it says."""
    where = f"'{file}', {name},"
    if not isinstance(opened.get(name, getlink=True), h5py.HardLink):
        raise PoseplugError(f"{where} is a link to elsewhere; it was not followed.")
    dataset = opened[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "biuf":
        raise PoseplugError(f"{where} is no array of numbers.")
    if dataset.is_virtual or dataset.external or dataset.compression not in _FILTERS:
        raise PoseplugError(f"{where} is stored outside its file, or in a way that MATLAB does not use.")
    if dataset.size * dataset.dtype.itemsize > most_bytes(file.stat().st_size):
        raise PoseplugError(f"{where} announces {dataset.shape} numbers, far more than its file can hold.")
    return np.asarray(dataset[()])
