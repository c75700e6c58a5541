"""Everybody whom a camera saw at once, together: sources of scenes from data sets that tell who stood where."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes, rows_of
from poseplug.core.settings import setting
from poseplug_datasets.recorded.imaged import ImagedPoses, ImagedSettings, Recordings


@attrs.frozen(kw_only=True)
class FilmedScenesSettings(ImagedSettings):
    """Whether people stay together."""

    whole_scenes: bool = setting(
        True, "give everybody of a frame together, as a scene, and count scenes; otherwise people one by one"
    )


class FilmedScenes(ImagedPoses):
    """The people of each frame under the camera that filmed it, or people one by one.

    ``batches`` gives scenes in the order of the recordings. Where the recordings do not number scenes, everybody is
    alone.

    Raises:
        PoseplugError: there is no view.
    """

    def __init__(self, recordings: Recordings, path: str) -> None:
        super().__init__(recordings, path)
        scene = recordings.views.scene
        self._people = None if scene is None else torch.bincount(scene)
        self._most = 1 if self._people is None else int(self._people.max())

    def __len__(self) -> int:
        return super().__len__() if self._people is None else len(self._people)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        if self._people is None:
            yield from super().batches(size)
            return
        for start in range(0, len(self), size):
            numbers = torch.arange(start, min(start + size, len(self)), device=self._people.device)
            yield self._together(numbers, self._people)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        if self._people is None:
            return super().sample(n, generator)
        numbers = torch.randint(len(self), (n,), generator=generator, device=self._people.device)
        return self._together(numbers, self._people)

    def _together(self, numbers: Tensor, people: Tensor) -> PoseBatch:
        """Return some of the scenes with all their people; how many these are, only the device knows."""
        rows, place = rows_of(numbers, people)
        first = (people.cumsum(0) - people)[numbers]
        cameras = self.recordings.cameras.select(self.recordings.views.camera[first])
        return attrs.evolve(self._seen(rows), scene=place, scenes=Scenes(cameras, most=self._most))
