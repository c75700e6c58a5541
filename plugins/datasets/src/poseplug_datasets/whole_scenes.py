"""Drawing images with all who stand in them, from people who say which scene is theirs."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.scenes import Scenes, rows_of
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera

Numbers = NDArray[np.int64]


@attrs.frozen(eq=False)
class SceneRows:
    """Where in a file the people of S scenes are, in the order of the scenes' numbers.

    Attributes:
        file: the file.
        row: [N] uint32, the people's rows, scene by scene.
        people: [S] int64, how many each has.
        most: how many the fullest has.
    """

    file: PoseFile
    row: NDArray[np.uint32]
    people: Tensor
    most: int

    @classmethod
    def of(cls, file: PoseFile, number: Numbers, kept: NDArray[np.bool_]) -> SceneRows:
        """Return the scenes, numbered [rows of the file], all of whose people are kept [rows]."""
        whole = np.ones(int(number.max()) + 1, np.bool_)
        whole[number[~kept]] = False
        rows = np.flatnonzero(whole[number])
        row = rows[np.argsort(number[rows], kind="stable")].astype(np.uint32)
        people = torch.from_numpy(np.bincount(number[rows], minlength=len(whole))[whole])
        return cls(file, row, people, int(people.max()) if len(people) else 0)

    def __len__(self) -> int:
        return len(self.people)

    def select(self, scenes: Tensor) -> SceneRows:
        """Return some of the scenes."""
        rows, _ = rows_of(scenes, self.people)
        people = self.people[scenes]
        return SceneRows(self.file, self.row[rows.numpy()], people, int(people.max()))

    def read(self, scenes: Tensor) -> PoseBatch:
        """Return some of the scenes with all their people, on the CPU.

        Raises:
            PoseplugError: a damaged file, or people of one scene with different cameras.
        """
        rows, place = rows_of(scenes, self.people)
        stored = self.file.rows(self.row[rows.numpy()]).poses
        people = self.people[scenes]
        cameras = stored.camera.select(people.cumsum(0) - people)
        self._check(stored, cameras.select(place))
        return attrs.evolve(stored, scene=place, scenes=Scenes(cameras, most=self.most))

    def _check(self, stored: PoseBatch, cameras: Camera) -> None:
        pairs = zip(*(attrs.astuple(camera, recurse=False) for camera in (stored.camera, cameras)), strict=True)
        for differ in ((own != shared).flatten(1).any(1) for own, shared in pairs if own is not None):
            if bool(differ.any()):
                assert stored.scene is not None, "it says who shares a scene"
                number = int(stored.scene[differ][0])
                raise PoseplugError(
                    f"'{self.file.path}': people of scene {number} were seen by different cameras, so they share no "
                    "image. Leave out whole_scenes, or number what each camera saw, in each shard, by itself."
                )


def scene_numbers(file: PoseFile) -> Numbers:
    """Return the rank of each pose's scene [N], from 0 on; PoseplugError where the file says nothing of scenes."""
    if "scene" not in file.columns:
        raise PoseplugError(
            f"'{file.path}' does not say who stands in which scene; leave out whole_scenes, or convert scenes to it."
        )
    ranks: Numbers = np.unique(file.scene(), return_inverse=True)[1].reshape(-1)
    return ranks
