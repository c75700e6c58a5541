"""Settings of the source ``mpi_inf_3dhp``."""

from __future__ import annotations

import attrs

from poseplug.core.settings import REQUIRED, setting
from poseplug_datasets.recorded.imaged import ImagedSettings

CAMERAS = 14


def _check_cameras(cameras: tuple[int, ...]) -> str | None:
    good = cameras and len(set(cameras)) == len(cameras)
    return None if good else f"must list cameras, each once, such as [0,2,7,8]; got {list(cameras)}"


@attrs.frozen(kw_only=True)
class MPIINF3DHPSettings(ImagedSettings):
    """Which of MPI-INF-3DHP is read, and which of its annotations."""

    path: str = setting(REQUIRED, "folder with S1 to S8, or with TS1 to TS6; or PoseAug's test_3dhp.npz", path=True)
    split: str = setting("auto", "train or test; auto: which the path has", choices=("auto", "train", "test"))
    annotation: str = setting(
        "annot3",
        "poses as they were, or univ_annot3: rescaled to a body of one height",
        choices=("annot3", "univ_annot3"),
    )
    joints_2d: str = setting(
        "annotated", "pixels as they are annotated (annot2), or the projection", choices=("annotated", "projected")
    )
    cameras: tuple[int, ...] = setting(
        (0, 1, 2, 4, 5, 6, 7, 8),
        "cameras of the training set, as they are numbered there",
        minimum=0,
        maximum=CAMERAS - 1,
        check=_check_cameras,
    )
