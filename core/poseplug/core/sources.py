"""Sources made of other things: a table of poses in memory, a random share, a mixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import torch

from poseplug.core.batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource, PoseSource


class PoseTable(FiniteSource):
    """A finite source that holds all its poses in one batch on the device.

    Args:
        poses: the poses, not empty.
        label_names: names of the classes of each label.
    """

    def __init__(self, poses: PoseBatch, label_names: dict[str, tuple[str, ...]] | None = None) -> None:
        if not len(poses):
            raise PoseplugError("A source holds no poses; check its path, split and other filters.")
        self.poses = poses
        self.skeleton = poses.skeleton
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


class Mixture(PoseSource):
    """Equal parts of several sources in every batch.

    Raises:
        PoseplugError: the sources have different skeletons.
    """

    def __init__(self, sources: Sequence[PoseSource]) -> None:
        self.sources = tuple(sources)
        self.skeleton = sources[0].skeleton
        for source in sources[1:]:
            if source.skeleton != self.skeleton:
                raise PoseplugError(
                    f"Sources with skeletons '{self.skeleton.name}' and '{source.skeleton.name}' cannot be mixed; "
                    "give both the same 'skeleton' setting."
                )

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        counts = [n // len(self.sources) + (i < n % len(self.sources)) for i in range(len(self.sources))]
        parts = [s.sample(count, generator) for s, count in zip(self.sources, counts, strict=True) if count]
        # Class numbers of different sources do not mean the same, so a mixture has no labels.
        return PoseBatch.join([attrs.evolve(part, labels={}) for part in parts])


View = Callable[[PoseBatch], PoseBatch]


class Viewed(PoseSource):
    """The poses of a source, seen in another way."""

    def __init__(self, source: PoseSource, view: View) -> None:
        self.source = source
        self.view = view
        self.skeleton = source.skeleton
        self.label_names = source.label_names

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self.view(self.source.sample(n, generator))


class ViewedTable(Viewed, FiniteSource):
    """The poses of a finite source, seen in another way."""

    source: FiniteSource

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        return map(self.view, self.source.batches(size))


def viewed(source: PoseSource, view: View | None) -> PoseSource:
    """Return a source that gives its poses as ``view`` shows them; the source itself where there is no view."""
    if view is None:
        return source
    return ViewedTable(source, view) if isinstance(source, FiniteSource) else Viewed(source, view)
