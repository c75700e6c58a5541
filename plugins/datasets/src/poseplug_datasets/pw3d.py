"""The source ``pw3d``: 3D Poses in the Wild, from the sequence files as they are published.

Layout of the files: the data set's own readme; datasets/preprocess/pw3d.py of https://github.com/nkolot/SPIN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import REQUIRED, setting
from poseplug.core.storage.plain_pickle import load_plain_pickle
from poseplug_datasets.recorded.annotations import check_depths, numbers, plain_dict, wanted_file
from poseplug_datasets.recorded.example_recordings import write_pw3d
from poseplug_datasets.recorded.imaged import Film, ImagedPoses, ImagedSettings, Recordings, recordings

_SPLITS = ("train", "validation", "test")
# A rotation may be off by rounding, not by more.
_ROTATION_TOLERANCE = 1e-2


@attrs.frozen(kw_only=True)
class PW3DSettings(ImagedSettings):
    """Which of 3DPW is read, and where its 2D joints come from."""

    path: str = setting(REQUIRED, "the folder sequenceFiles, the one above it, or a sequence's .pkl", path=True)
    split: str = setting("train", "the folder of sequences; a file is read in any", choices=(*_SPLITS, "all"))
    joints_2d: str = setting(
        "projected", "exact projection, or what OpenPose found (poses2d)", choices=("projected", "detected")
    )


class PW3D(ImagedPoses):
    """3DPW's SMPL joints in the frames of its cameras, where the camera's pose is valid.

    Raises:
        PoseplugError: a file is missing, damaged or not what its layout says, or asks to run something.
    """

    Config = PW3DSettings

    def __init__(self, config: PW3DSettings, context: BuildContext) -> None:
        super().__init__(read(config, config.layout(context)).share(config, context).to(context.device), config.path)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny sequence and return settings that read it, for ``poseplug check``."""
        (folder / "train").mkdir()
        write_pw3d(folder / "train" / "sway_00.pkl")
        return {"path": str(folder)}


def read(config: PW3DSettings, skeleton: Skeleton) -> Recordings:
    """Return everybody in the sequences of a split; people without all of their 2D joints are left out if detected."""
    films, left_out = [], 0
    for file in _find(Path(config.path).expanduser(), config.split):
        sequence = _load(file)
        for person in range(_people(sequence, file)):
            film, missing = _film(sequence, person, file, config, skeleton)
            films.append(film)
            left_out += missing
    return recordings(films, skeleton, left_out if config.joints_2d == "detected" else None)


def _find(path: Path, split: str) -> list[Path]:
    if path.suffix == ".pkl" and path.is_file():
        return [path]
    home = path / "sequenceFiles" if (path / "sequenceFiles").is_dir() else path
    folders = _SPLITS if split == "all" else (split,)
    found = [file for folder in folders for file in sorted((home / folder).glob("*.pkl"))]
    if not found:
        raise wanted_file(
            home / folders[0] / "*.pkl",
            f"3DPW's sequence files of split={split} (images are not needed)",
            "https://virtualhumans.mpi-inf.mpg.de/3DPW (sequenceFiles.zip, after agreeing to its licence)",
            "Give path= the folder sequenceFiles, with train, validation and test in it.",
        )
    return found


def _load(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return plain_dict(load_plain_pickle(stream, file.stat().st_size, f"'{file}'"), f"'{file}'")
    except OSError as error:
        raise PoseplugError(f"Cannot read '{file}': {error.strerror or error}; check the path.") from error


def _people(sequence: dict[str, Any], file: Path) -> int:
    people = sequence.get("jointPositions")
    if not isinstance(people, list) or not people:
        raise PoseplugError(f"'{file}' has nobody's jointPositions; it is no sequence of 3DPW.")
    return len(people)


def _film(
    sequence: dict[str, Any], person: int, file: Path, config: PW3DSettings, skeleton: Skeleton
) -> tuple[Film, int]:
    """Return what the camera saw of one person, and in how many frames they were left out."""
    where = f"'{file}', person {person}"

    def of_person(key: str, *shape: int | None, **checks: Any) -> NDArray[Any]:
        everybody = sequence.get(key)
        if not isinstance(everybody, list) or len(everybody) <= person:
            raise PoseplugError(f"{where} has no {key}; the file is no sequence of 3DPW, or damaged.")
        return numbers(everybody[person], f"{where}, {key},", *shape, **checks)

    kept = of_person("campose_valid", None, kinds="biuf").astype(bool)
    frames = len(kept)
    kept &= np.arange(frames) % config.stride == 0
    mapping = map_layout(LAYOUTS["smpl24"], skeleton)
    pixels, missing = None, 0
    if config.joints_2d == "detected":
        detected = of_person("poses2d", frames, 3, 18, rows=kept).swapaxes(1, 2)
        found, sure = map_layout(LAYOUTS["openpose18"], skeleton).found(
            torch.from_numpy(detected[..., :2].astype(float)), torch.from_numpy(detected[..., 2].astype(float))
        )
        complete = (sure > 0).all(1).numpy()
        missing = int((~complete).sum())
        kept[kept] = complete
        pixels = found.numpy()[complete]
    poses = numbers(sequence.get("cam_poses"), f"'{file}', cam_poses,", frames, 4, 4, rows=kept)
    _check_rotations(poses, file)
    world = of_person("jointPositions", frames, 72, rows=kept).reshape(-1, 24, 3)
    joints = mapping(torch.from_numpy(world @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3])).numpy()
    check_depths(joints[..., 2], where)
    return Film(joints, _camera(sequence, file), f"{file.stem} {person}", file.stem, pixels), missing


def _camera(sequence: dict[str, Any], file: Path) -> tuple[float, ...]:
    """Return focal lengths, principal point and size; the principal point is in the middle of the image."""
    inner = numbers(sequence.get("cam_intrinsics"), f"'{file}', cam_intrinsics,", 3, 3, of="row")
    focal, centre = inner[[0, 1], [0, 1]], inner[:2, 2]
    if min(*focal, *centre) <= 0:
        raise PoseplugError(f"'{file}', cam_intrinsics, is no camera: {inner.tolist()}.")
    return (*map(float, focal), *map(float, centre), *(float(round(2 * middle)) for middle in centre))


def _check_rotations(poses: NDArray[Any], file: Path) -> None:
    rotations = poses[:, :3, :3]
    off = np.abs(rotations @ rotations.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2), initial=0)
    wrong = np.flatnonzero((off > _ROTATION_TOLERANCE) | (np.linalg.det(rotations) < 0))
    if len(wrong):
        raise PoseplugError(f"'{file}', cam_poses: of {len(poses)} valid ones number {wrong[0]} holds no rotation.")
