"""The poses of a source, seen in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from poseplug.core.data.batch import PoseBatch
from poseplug.core.interfaces import FiniteSource, PoseSource

View = Callable[[PoseBatch], PoseBatch]


class Viewed(PoseSource):
    """The poses of a source, seen in another way; what the source declares of them holds for the view."""

    def __init__(self, source: PoseSource, view: View) -> None:
        self.source = source
        self.view = view
        self.skeleton, self.has_3d, self.label_names = source.skeleton, source.has_3d, source.label_names

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
