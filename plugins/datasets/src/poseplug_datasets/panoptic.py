"""The source ``panoptic``: CMU's Panoptic Studio, everybody in a frame under one of its HD cameras.

Layout of the files: README.md and python/demo_3Dkeypoints_reprojection_hd.py of
https://github.com/CMU-Perceptual-Computing-Lab/panoptic-toolbox.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import numpy as np
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import H36M_LAYOUTS, LAYOUTS, layout
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import REQUIRED, setting
from poseplug_datasets.recorded.annotations import wanted_file
from poseplug_datasets.recorded.example_scenes import write_panoptic
from poseplug_datasets.recorded.filmed_scenes import FilmedScenes, FilmedScenesSettings
from poseplug_datasets.recorded.imaged import NEAREST_M, Recordings, Views
from poseplug_datasets.recorded.panoptic_files import PANOPTIC_19, POSES, FilmedBy, read_bodies, read_cameras

_LAYOUTS = {**H36M_LAYOUTS, "panoptic15": LAYOUTS["panoptic15"]}


@attrs.frozen(kw_only=True)
class PanopticSettings(FilmedScenesSettings):
    """Which frames and cameras are read, and who of whom they show."""

    path: str = setting(
        REQUIRED, "the folder that holds sequences such as 160224_haggling1, or one sequence", path=True
    )
    sequences: tuple[str, ...] = setting((), "names of sequences; none: all there are")
    actions: tuple[str, ...] = setting((), "only sequences of these activities, such as haggling or pizza; none: all")
    cameras: tuple[str, ...] = setting(("00_16",), "names of cameras; each frame is a scene of its own in each")
    skeleton: str = setting(
        "auto", "layout of the poses; auto: the run's, or h36m16", choices=("auto", *sorted(_LAYOUTS))
    )
    confidence: float = setting(0.1, "joints of whom the data set is no surer than this are missing")
    outside: str = setting(
        "drop", "people whose root is outside of the image are left out, or kept", choices=("drop", "keep")
    )
    distortion: bool = setting(
        False, "project as the camera's lens does; otherwise pixels are those of an image without distortion"
    )

    def layout(self, context: BuildContext) -> Skeleton:
        """Return the layout that ``skeleton`` means in a run."""
        run = context.skeleton
        if self.skeleton == "auto" and run == _LAYOUTS["panoptic15"]:
            return run
        return layout(self.skeleton) if self.skeleton == "panoptic15" else super().layout(context)


class Panoptic(FilmedScenes):
    """The Panoptic Studio's people of whom every joint was found, where a camera sees them.

    Raises:
        PoseplugError: a file is missing or damaged, or nobody is left.
    """

    Config = PanopticSettings

    def __init__(self, config: PanopticSettings, context: BuildContext) -> None:
        super().__init__(read(config, config.layout(context)).share(config, context).to(context.device), config.path)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny sequence and return settings that read it, for ``poseplug check``."""
        write_panoptic(folder / "160101_talk1")
        return {"path": str(folder)}


def read(config: PanopticSettings, skeleton: Skeleton) -> Recordings:
    """Return the chosen sequences in a world with y up, on the CPU: frame by frame, and camera by camera."""
    sequences, known = _sequences(config)
    mapping = map_layout(PANOPTIC_19, skeleton)
    actions = sorted({_action(name) for name in known})
    cameras: list[FilmedBy] = []
    people, subjects, columns, scenes = [], [], [], 0
    count = left_out = 0
    for sequence in sequences:
        films = read_cameras(sequence / f"calibration_{sequence.name}.json", config.cameras)
        for file in _frames(sequence)[:: config.stride]:
            bodies = read_bodies(file)
            if not bodies:
                continue
            joints, sure = (np.stack([body[i] for body in bodies]) for i in (1, 2))
            sure = np.where(sure > config.confidence, 1.0, 0.0)
            found, there = mapping.found(torch.from_numpy(joints), torch.from_numpy(sure))
            complete = (there > 0).all(1).numpy()
            left_out += int((~complete).sum())
            joints = found.numpy()[complete]
            for number, film in enumerate(films):
                rows = np.flatnonzero(_seen(joints, skeleton.root, film, config.outside == "drop"))
                if len(rows):
                    camera, action = len(cameras) + number, actions.index(_action(sequence.name))
                    columns.append(np.stack([count + rows, *(np.full(len(rows), k) for k in (camera, action, scenes))]))
                    scenes += 1
            people.append(joints)
            subjects += [f"{sequence.name} {body[0]}" for body, kept in zip(bodies, complete, strict=True) if kept]
            count += len(joints)
        cameras += films
    if not columns:
        raise PoseplugError(
            f"'{config.path}' holds no poses that can be used: {', '.join(config.cameras)} saw nobody of whom every "
            "joint was found. Choose others with sequences=, actions= and cameras=, or try outside=keep."
        )
    pose, camera, action, scene = torch.from_numpy(np.concatenate(columns, axis=1))
    names, subject = np.unique(subjects, return_inverse=True)
    labels = {"action": action, "subject": torch.from_numpy(subject)[pose]}
    views = Views(pose, camera, labels, scene=scene if config.whole_scenes else None)
    label_names = {"action": tuple(actions), "subject": tuple(map(str, names))}
    joints_3d = torch.from_numpy(np.concatenate(people)).float()
    return Recordings(skeleton, joints_3d, _joined(cameras, config.distortion), views, label_names, left_out)


def _sequences(config: PanopticSettings) -> tuple[list[Path], list[str]]:
    """Return the folders of the chosen sequences, and the names of all that there are."""
    path = Path(config.path).expanduser()
    folders = [path] if (path / POSES).is_dir() else sorted(folder.parent for folder in path.glob(f"*/{POSES}"))
    if not folders:
        raise wanted_file(
            path / "SEQUENCE" / POSES,
            "sequences of the Panoptic Studio: poses (body3DScene_*.json, unpacked from hdPose3d_stage1_coco19.tar) "
            "and calibration_SEQUENCE.json (images are not needed)",
            "http://domedb.perception.cs.cmu.edu (scripts/getData.sh of panoptic-toolbox)",
            "Give path= the folder that holds the sequences' folders, or one of these.",
        )
    known = [folder.resolve().name for folder in folders]
    lacking = [name for name in config.sequences if name not in known]
    if lacking:
        raise PoseplugError(f"'{path}' has no sequence '{lacking[0]}'; it has {', '.join(known)}.")
    chosen = [
        folder
        for folder, name in zip(folders, known, strict=True)
        if (name in config.sequences or not config.sequences)
        and (_action(name) in config.actions or not config.actions)
    ]
    if not chosen:
        activities = ", ".join(sorted({_action(name) for name in known}))
        raise PoseplugError(f"'{path}' has no sequence of {', '.join(config.actions)}; its activities: {activities}.")
    return [folder.resolve() for folder in chosen], known


def _action(sequence: str) -> str:
    """Return the activity of a sequence, "haggling" of 160224_haggling1."""
    found = re.match(r"\d+_([a-zA-Z]+)", sequence)
    return found[1] if found else sequence


def _frames(sequence: Path) -> list[Path]:
    found = sorted((sequence / POSES).glob("body3DScene_*.json"))
    if not found:
        raise PoseplugError(f"'{sequence / POSES}' holds no body3DScene_*.json; unpack the sequence's poses into it.")
    return found


def _seen(joints: np.ndarray, root: int, film: FilmedBy, only_inside: bool) -> np.ndarray:
    """Say whom [N] a camera has in front of it, and, if asked for, with the root in the image."""
    at = (joints - film.position) @ film.rotation.T
    seen = (at[..., 2] > NEAREST_M).all(1)
    if only_inside:
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = at[:, root, :2] / at[:, root, 2:] * film.inner[:2] + film.inner[2:4]
        seen &= ((pixels >= 0) & (pixels < film.inner[4:])).all(1)
    return np.asarray(seen, bool)


def _joined(films: list[FilmedBy], distortion: bool) -> Camera:
    inner = torch.tensor([film.inner for film in films])
    rotation, position, lens = (
        torch.from_numpy(np.stack([getattr(film, name) for film in films])).float()
        for name in ("rotation", "position", "distortion")
    )
    # OpenCV's k1 k2 p1 p2 k3. The camera here has k1 k2 k3, and tangential terms in the other order, of which the part
    # along the point is half as large: less than a pixel.
    bent = lens[:, [0, 1, 4, 3, 2]] if distortion else None
    return Camera(inner[:, :2], inner[:, 2:4], inner[:, 4:], bent, rotation, position)
