"""A table of poses in memory, and a random share of a source."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource


class PoseTable(FiniteSource):
    """A finite source that holds all its poses in one batch on the device.

    Args:
        poses: the poses, not empty; without 3D joints they make a source of 2D only.
        label_names: names of the classes of each label.
    """

    def __init__(self, poses: PoseBatch, label_names: dict[str, tuple[str, ...]] | None = None) -> None:
        if not len(poses):
            raise PoseplugError("A source holds no poses; check its path, split and other filters.")
        self.poses = poses
        self.skeleton = poses.skeleton
        self.has_3d = poses.joints_3d is not None
        self.label_names = label_names or {}

    def __len__(self) -> int:
        return len(self.poses)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        index = torch.randint(len(self.poses), (n,), generator=generator, device=self.poses.device)
        return self.poses.select(index)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        for start in range(0, len(self.poses), size):
            yield self.poses.select(slice(start, start + size))


def random_share(source: FiniteSource, share: float, generator: torch.Generator) -> PoseTable:
    """Return a random share (0 < share <= 1) of a finite source's poses, each at most once.

    PoseGU takes 25 % of the training set as its real sample (section 5).
    """
    poses = PoseBatch.join(list(source.batches(65536)))
    count = max(1, round(share * len(poses)))
    index = torch.randperm(len(poses), generator=generator, device=poses.device)[:count]
    return PoseTable(poses.select(index.sort().values), dict(source.label_names))
