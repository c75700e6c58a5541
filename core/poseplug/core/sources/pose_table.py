"""A table of poses in memory, and a random share of a source."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes, rows_of
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource


class PoseTable(FiniteSource):
    """A finite source that holds all its poses in one batch on the device; one of scenes, if the batch has these.

    Args:
        poses: the poses, not empty; without 3D joints they make a source of 2D only. Those of scenes are put in the
            order of these.
        label_names: names of the classes of each label.
    """

    def __init__(self, poses: PoseBatch, label_names: dict[str, tuple[str, ...]] | None = None) -> None:
        if not len(poses):
            raise PoseplugError("A source holds no poses; check its path, split and other filters.")
        self._people = poses.people_per_scene
        if poses.scenes is not None:
            fullest = attrs.evolve(poses.scenes, most=int(self._people.max()))
            poses = attrs.evolve(poses, scenes=fullest).select_scenes(torch.arange(len(fullest), device=poses.device))
        self.poses = poses
        self.skeleton = poses.skeleton
        self.has_3d = poses.joints_3d is not None
        self.has_images = poses.places.image is not None
        self.label_names = label_names or {}

    def __len__(self) -> int:
        return self.poses.num_scenes

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        index = torch.randint(len(self), (n,), generator=generator, device=self.poses.device)
        scenes = self.poses.scenes
        if scenes is None:
            return self.poses.select(index)
        # Only where scenes have as many people each does the host know how many these are, and need not wait.
        even = len(self.poses) == len(scenes) * scenes.most
        return self._whole(scenes, index, n * scenes.most if even else None)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        scenes = self.poses.scenes
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            if scenes is None:
                yield self.poses.select(slice(start, stop))
            else:
                yield self._whole(scenes, torch.arange(start, stop, device=self.poses.device))

    def _whole(self, scenes: Scenes, index: Tensor, total: int | None = None) -> PoseBatch:
        rows, scene = rows_of(index, self._people, total)
        people = self.poses.alone().select(rows)
        return attrs.evolve(people, scene=scene, scenes=scenes.select(index))


def random_share(source: FiniteSource, share: float, generator: torch.Generator) -> PoseTable:
    """Return a random share (0 < share <= 1) of a finite source's poses or scenes, each at most once.

    PoseGU takes 25 % of the training set as its real sample (section 5).
    """
    poses = PoseBatch.join(list(source.batches(65536)))
    count = max(1, round(share * poses.num_scenes))
    index = torch.randperm(poses.num_scenes, generator=generator, device=poses.device)[:count]
    return PoseTable(poses.select_scenes(index.sort().values), dict(source.label_names))
