"""The source ``mpi_inf_3dhp``: MPI-INF-3DHP's annotation files, and the test set as PoseAug keeps it.

Layout of the files: the data set's own readme and mpii_get_joint_set.m; tools/dataset_converters/
preprocess_mpi_inf_3dhp.py of https://github.com/open-mmlab/mmpose; data_extra/prepare_data_3dhp.py of
https://github.com/jfzhang95/PoseAug.
"""

from __future__ import annotations

from pathlib import Path

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.recorded.annotations import wanted_file
from poseplug_datasets.recorded.example_recordings import write_3dhp
from poseplug_datasets.recorded.imaged import ImagedPoses, Recordings
from poseplug_datasets.recorded.mpi_inf_3dhp_files import read_poseaug, read_test, read_train
from poseplug_datasets.recorded.mpi_inf_3dhp_settings import MPIINF3DHPSettings

_TEST, _TRAIN = "TS*/annot_data.mat", "S*/Seq*/annot.mat"
_HOME = "https://vcai.mpi-inf.mpg.de/3dhp-dataset (get_dataset.sh and get_testset.sh of its download)"


class MPIINF3DHP(ImagedPoses):
    """MPI-INF-3DHP in the frames of its cameras, without their places in the world.

    Raises:
        PoseplugError: a file is missing, damaged or not what its layout says.
    """

    Config = MPIINF3DHPSettings

    def __init__(self, config: MPIINF3DHPSettings, context: BuildContext) -> None:
        super().__init__(read(config, context).share(config, context).to(context.device), config.path)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny test sequence and return settings that read it, for ``poseplug check``."""
        (folder / "TS1").mkdir()
        write_3dhp(folder / "TS1" / "annot_data.mat")
        return {"path": str(folder)}


def read(config: MPIINF3DHPSettings, context: BuildContext) -> Recordings:
    """Return the poses of the files that a path and a split mean."""
    path, skeleton, cameras = Path(config.path).expanduser(), config.layout(context), config.cameras
    if path.suffix == ".npz":
        if config.split == "train" or config.annotation != "annot3" or config.joints_2d != "annotated":
            raise PoseplugError(
                f"'{path}' has PoseAug's test poses, one annotation and their 2D joints only; leave out split=, "
                "annotation= and joints_2d=."
            )
        if not path.is_file():
            raise wanted_file(
                path,
                "MPI-INF-3DHP's test set as PoseAug prepares it (test_3dhp.npz)",
                "PoseAug's DATASETS.md (data_extra/prepare_data_3dhp.py)",
                "Give path= the file.",
            )
        return read_poseaug(path, skeleton, config.stride)
    test, train = (sorted(path.glob(pattern)) for pattern in (_TEST, _TRAIN))
    if config.split == "auto" and test and train:
        raise PoseplugError(f"'{path}' holds both training and test set; say which with split=train or split=test.")
    if test and config.split != "train":
        return read_test(test, skeleton, config)
    if train and config.split != "test":
        return read_train(train, skeleton, config, cameras)
    pattern = _TRAIN if config.split == "train" else _TEST if config.split == "test" else f"{_TRAIN} or {_TEST}"
    raise wanted_file(
        path / pattern,
        "MPI-INF-3DHP's annotations as they are published (images are not needed)",
        _HOME,
        "Give path= the folder that holds S1, S2, ... or TS1, TS2, ...",
    )
