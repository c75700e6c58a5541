"""The source ``mupots``: MuPoTS-3D, the test set of several people, from its annotation files.

Layout of the files: mpii_mupots_multiperson_eval.m of the data set's download; the occlusion flags beside them are not
read. Order of the joints: that of MPI-INF-3DHP's test set.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import REQUIRED, setting
from poseplug.core.storage.mat5 import MatFile
from poseplug_datasets.recorded.annotations import check_depths, numbers, wanted_file
from poseplug_datasets.recorded.example_scenes import write_mupots
from poseplug_datasets.recorded.filmed_scenes import FilmedScenes, FilmedScenesSettings
from poseplug_datasets.recorded.imaged import Recordings, Views
from poseplug_datasets.recorded.mpi_inf_3dhp_files import fit_camera

_MM_PER_M = 1000.0


@attrs.frozen(kw_only=True)
class MuPoTSSettings(FilmedScenesSettings):
    """Which of MuPoTS-3D is read, and which of its annotations."""

    path: str = setting(REQUIRED, "the folder that holds TS1 to TS20, or one of these", path=True)
    sequences: tuple[int, ...] = setting((), "numbers of sequences; none: all there are", minimum=1, maximum=20)
    annotation: str = setting(
        "annot3",
        "poses as they were, or univ_annot3: rescaled to a body of one height",
        choices=("annot3", "univ_annot3"),
    )
    joints_2d: str = setting(
        "annotated", "2D joints as they were annotated, or the exact projection", choices=("annotated", "projected")
    )


class MuPoTS(FilmedScenes):
    """MuPoTS-3D's people with valid annotations, in the frames of their cameras, without a place in the world.

    Raises:
        PoseplugError: a file is missing, damaged or not what its layout says.
    """

    Config = MuPoTSSettings

    def __init__(self, config: MuPoTSSettings, context: BuildContext) -> None:
        super().__init__(read(config, config.layout(context)).share(config, context).to(context.device), config.path)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny sequence and return settings that read it, for ``poseplug check``."""
        write_mupots(folder / "TS1")
        return {"path": str(folder)}


def read(config: MuPoTSSettings, skeleton: Skeleton) -> Recordings:
    """Return the valid annotations of the chosen sequences, on the CPU, sequence by sequence and frame by frame."""
    mapping = map_layout(LAYOUTS["3dhp17"], skeleton)
    mapping.check_complete()
    joints, pixels, columns = [], [], []
    cameras: list[tuple[float, ...]] = []
    sequences: list[str] = []
    subjects: list[str] = []
    scenes = 0
    for file in _find(config):
        sequence = file.parent.name
        frame, person, annotated = _valid(file, config)
        where = f"'{file}'"
        inner = fit_camera(annotated["annot3"], annotated["annot2"], where)
        kept = frame % config.stride == 0
        if not kept.any():
            continue
        found = mapping(torch.from_numpy(annotated[config.annotation][kept] / _MM_PER_M)).numpy()
        check_depths(found[..., 2], where)
        together, scene = np.unique(frame[kept], return_inverse=True)
        names, who = np.unique(person[kept], return_inverse=True)
        columns.append(
            np.stack(
                [
                    np.full(len(found), len(cameras)),
                    np.full(len(found), len(sequences)),
                    who + len(subjects),
                    scene + scenes,
                ]
            )
        )
        joints.append(found)
        pixels.append(mapping(torch.from_numpy(annotated["annot2"][kept])).numpy())
        cameras.append(inner)
        sequences.append(sequence)
        subjects += [f"{sequence} {number}" for number in names]
        scenes += len(together)
    if not columns:
        raise PoseplugError(f"'{config.path}' holds no poses that can be used; try a smaller stride=.")
    camera, action, subject, scene = torch.from_numpy(np.concatenate(columns, axis=1))
    measured = torch.from_numpy(np.concatenate(pixels)).float() if config.joints_2d == "annotated" else None
    labels = {"action": action, "subject": subject}
    views = Views(torch.arange(len(camera)), camera, labels, measured, scene if config.whole_scenes else None)
    focal, centre, size = (torch.tensor([inner[i : i + 2] for inner in cameras]) for i in (0, 2, 4))
    label_names = {"action": tuple(sequences), "subject": tuple(subjects)}
    poses = torch.from_numpy(np.concatenate(joints)).float()
    return Recordings(skeleton, poses, Camera(focal, centre, size), views, label_names)


def _find(config: MuPoTSSettings) -> list[Path]:
    """Return the annotation files of the chosen sequences, in their order."""
    path = Path(config.path).expanduser()
    name = "annot.mat"
    files = {_number(file.resolve()): file.resolve() for file in (*path.glob(f"TS*/{name}"), *path.glob(name))}
    wanted = config.sequences or tuple(sorted(files))
    lacking = [number for number in wanted if number not in files]
    if not files or lacking:
        raise wanted_file(
            path / f"TS{lacking[0] if lacking else 1}" / name,
            "MuPoTS-3D's annotations as they are published (images are not needed)",
            "https://vcai.mpi-inf.mpg.de/projects/SingleShotMultiPerson (MultiPersonTestSet.zip)",
            "Give path= the folder that holds TS1, TS2, ...",
        )
    return [files[number] for number in wanted]


def _number(file: Path) -> int:
    found = re.fullmatch(r"TS(\d{1,3})", file.parent.name)
    return int(found[1]) if found else 0


def _valid(file: Path, config: MuPoTSSettings) -> tuple[NDArray[Any], NDArray[Any], dict[str, NDArray[Any]]]:
    """Return frame [N], column [N] and annotations of the people of a sequence whose annotation is valid.

    Annotations are annot2 [N, 17, 2] pixels, annot3 [N, 17, 3] millimetres, and univ_annot3 where it is asked for.
    """
    axes = {"annot2": 2, "annot3": 3, config.annotation: 3}
    shape, cells = MatFile(file).structures("annotations", [*axes, "isValidFrame"])
    where: list[tuple[int, int]] = []
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in axes}
    for place, cell in enumerate(cells):
        frame, person = place % shape[0], place // shape[0]
        if cell is None or not cell["isValidFrame"].any():
            continue
        for name, count in axes.items():
            said = f"'{file}', frame {frame}, person {person}, {name},"
            found[name].append(numbers(cell[name], said, count, 17, of="axis").T)
        where.append((frame, person))
    if not where:
        raise PoseplugError(f"'{file}' has no valid annotation.")
    frame, person = np.array(where).T
    order = np.lexsort((person, frame))
    return frame[order], person[order], {name: np.stack(poses)[order] for name, poses in found.items()}
