"""A share of a data set, for training on little of it: the weak settings of EvoSkeleton's Fig. 2."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class ShareSettings:
    """How many of the poses are kept."""

    share: float = setting(
        1.0,
        "share of the poses that are kept, drawn at random and spread over all clips: 0.01 for every hundredth",
        above=0,
        maximum=1,
    )
    share_seed: int | None = setting(
        None, "another number draws others; none: the run's seed, so that each seed trains on its own", minimum=0
    )

    def kept(self, poses: int, context: BuildContext) -> Tensor | None:
        """Return the numbers of the poses that are kept, in order; None for all."""
        rows = thinned(poses, self.share, context.seed if self.share_seed is None else self.share_seed)
        return None if len(rows) == poses else rows


def thinned(poses: int, share: float, seed: int) -> Tensor:
    """Return a share of the numbers below ``poses``, at least one if there is any: one of each of equal stretches.

    Frames of a clip follow each other, so every clip gives its part, and equal shares and seeds give equal poses.
    """
    count = min(poses, max(1, round(poses * share)))
    generator = torch.Generator().manual_seed(seed)
    edges = torch.arange(count + 1, dtype=torch.float64) * (poses / max(1, count))
    within = torch.rand(count, generator=generator, dtype=torch.float64) * (edges[1:] - edges[:-1])
    # A number at an edge could be drawn twice: each stretch ends before the next begins.
    first, last = edges[:-1].ceil().long(), (edges[1:].ceil().long() - 1).clamp(max=poses - 1)
    return torch.minimum(torch.maximum((edges[:-1] + within).long(), first), last)
