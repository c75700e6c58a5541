"""The source ``h36m``: Human3.6M as VideoPose3D and PoseAug keep it, under its own cameras.

Layout of the files: data/prepare_data_h36m.py, common/h36m_dataset.py and run.py of
https://github.com/facebookresearch/VideoPose3D; the S9 correction: posepile/ds/h36m/main.py of
https://github.com/isarandi/PosePile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import REQUIRED, setting
from poseplug.core.storage.plain_npz import read_npz
from poseplug_datasets.recorded.annotations import check_depths, numbers, plain_dict, wanted_file
from poseplug_datasets.recorded.example_recordings import write_h36m
from poseplug_datasets.recorded.h36m_cameras import CAMERAS, SUBJECTS, TEST, TRAIN, cameras, y_up
from poseplug_datasets.recorded.h36m_detections import Detected
from poseplug_datasets.recorded.imaged import ImagedPoses, ImagedSettings, Recordings, Views

FILE = "data_3d_h36m.npz"
# Which of the 32 markers the 17 joints are.
_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
_SHIFTED = ("Greeting", "SittingDown 1", "Waiting 1")
_SHIFT_M = (-0.2, 0.0, 0.0)


def parse_subjects(text: str) -> tuple[str, ...]:
    """Return the subjects that a setting means: "S1,S5", or as the papers write it "S15"; ValueError if none."""
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found += [part] if part in SUBJECTS else [f"S{digit}" for digit in part.removeprefix("S")]
    if len(set(found)) < len(found) or not set(found) <= set(SUBJECTS):
        raise ValueError(f"must name subjects of {', '.join(SUBJECTS)}, such as S15 or S1,S5; got '{text}'")
    return tuple(found)


def _check_subjects(text: str) -> str | None:
    try:
        parse_subjects(text)
    except ValueError as error:
        return str(error)
    return None


@attrs.frozen(kw_only=True)
class H36MSettings(ImagedSettings):
    """Which of Human3.6M is read, and where its 2D joints come from."""

    path: str = setting(REQUIRED, f"{FILE}, or the folder that it is in", path=True)
    split: str = setting(
        "train",
        f"which subjects: {', '.join(TEST)} are test, {', '.join(TRAIN)} train",
        choices=("train", "test", "all"),
    )
    subjects: str = setting(
        "",
        "of these subjects only, such as S1, S15 or S9; a split of which none is named is whole",
        check=_check_subjects,
    )
    detections: str = setting(
        "",
        "2D joints of a detector: NAME for data_2d_h36m_NAME.npz beside the 3D file (gt, cpn_ft_h36m_dbb), or a "
        "file, by its path from there; none: the exact projection",
    )
    correct_s9: bool = setting(False, "move three takes of S9 that are 200 mm beside their images to where they belong")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The subjects that are read, in the order of the data set."""
        split = {"train": TRAIN, "test": TEST, "all": SUBJECTS}[self.split]
        named = parse_subjects(self.subjects)
        return tuple(subject for subject in split if subject in named) or split


class H36M(ImagedPoses):
    """Human3.6M, every pose under its subject's four cameras.

    Raises:
        PoseplugError: a file, subject or take is missing, or a file is damaged or not what its layout says.
    """

    Config = H36MSettings

    def __init__(self, config: H36MSettings, context: BuildContext) -> None:
        path, skeleton = _find(Path(config.path).expanduser()), config.layout(context)
        detected = Detected(path, config.detections, skeleton) if config.detections else None
        self.further_files = (detected.path,) if detected else ()
        super().__init__(read(config, path, skeleton, detected).share(config, context).to(context.device), config.path)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny file in the data set's layout and return settings that read it, for ``poseplug check``."""
        write_h36m(folder / FILE)
        return {"path": str(folder)}


def read(config: H36MSettings, path: Path, skeleton: Skeleton, detected: Detected | None) -> Recordings:
    """Return the chosen subjects' poses, in a world with y up, on the CPU; take by take, and camera by camera.

    Args:
        config: whose poses, and which.
        path: the file with the 3D joints.
        skeleton: the layout wanted.
        detected: what a detector found in their videos; None: the exact projection.
    """
    subjects = config.chosen
    takes = _takes(path, subjects)
    # Classes are numbered over the whole file, so that its splits agree.
    actions = sorted({_action(take) for found in takes.values() for take in found})
    if config.correct_s9 and "S9" in subjects and not set(_SHIFTED) <= set(takes["S9"]):
        raise PoseplugError(f"'{path}' lacks one of S9's takes {', '.join(_SHIFTED)}, which correct_s9 is about.")
    kept = [_OF_32[H36M_17.index(joint)] for joint in skeleton.joints]
    joints, columns, pixels = [], [], []
    start = 0
    for number, subject in enumerate(subjects):
        films = cameras([subject])
        for take, positions in takes[subject].items():
            where = f"'{path}', {subject} '{take}',"
            full = numbers(positions, where, None, 32, 3, kinds="f")
            clip = y_up(full[:: config.stride, kept]).astype(np.float32)
            if config.correct_s9 and subject == "S9" and take in _SHIFTED:
                clip += np.array(_SHIFT_M, np.float32)
            _check_in_front(clip, films, where)
            labels = (actions.index(_action(take)), SUBJECTS.index(subject))
            columns += [_column(start, len(clip), (number * CAMERAS + i, *labels)) for i in range(CAMERAS)]
            if detected:
                pixels += detected.joints(subject, take, len(full), config.stride)
            joints.append(clip)
            start += len(clip)
    if not start:
        raise PoseplugError(f"'{path}' holds no frame of {', '.join(subjects)}.")
    pose, camera, action, person = torch.from_numpy(np.concatenate(columns, axis=1))
    joints_2d = torch.from_numpy(np.concatenate(pixels)) if detected else None
    views = Views(pose, camera, {"action": action, "subject": person}, joints_2d)
    label_names = {"action": tuple(actions), "subject": SUBJECTS}
    return Recordings(skeleton, torch.from_numpy(np.concatenate(joints)), cameras(subjects), views, label_names)


def _takes(path: Path, subjects: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the takes of every subject of a file, which has those that are wanted."""
    everybody = plain_dict(read_npz(path, ["positions_3d"])["positions_3d"], f"'{path}', array 'positions_3d',")
    lacking = [subject for subject in subjects if subject not in everybody]
    if lacking:
        raise PoseplugError(
            f"'{path}' holds no subject {lacking[0]}; it has {', '.join(everybody)}. Choose others with "
            "split= and subjects=, or prepare the file anew."
        )
    return {subject: plain_dict(found, f"'{path}', {subject},") for subject, found in everybody.items()}


def _find(path: Path) -> Path:
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise wanted_file(
            file,
            f"Human3.6M's 3D joints as VideoPose3D prepares them ({FILE})",
            "http://vision.imar.ro/human3.6m (a licence is needed), prepared by VideoPose3D's "
            "data/prepare_data_h36m.py",
            "Give path= the file, or the folder that it is in.",
        )
    return file


def _action(take: str) -> str:
    """Return the action of a take: its first word, since others are the number of the take."""
    return take.split()[0]


def _column(start: int, frames: int, facts: tuple[int, ...]) -> NDArray[np.int64]:
    """Return [1 + facts, T]: the numbers of the poses of a clip, and facts that all of them share."""
    pose = np.arange(start, start + frames)
    return np.stack([pose, *(np.full(frames, fact) for fact in facts)])


def _check_in_front(clip: NDArray[np.float32], films: Camera, where: str) -> None:
    assert films.rotation is not None
    assert films.position is not None
    for rotation, position in zip(films.rotation.numpy(), films.position.numpy(), strict=True):
        check_depths((clip - position) @ rotation[2], where.removesuffix(","))
