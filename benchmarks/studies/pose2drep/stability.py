"""Statistics of error curves over epochs and seeds: what the paper's section 6 reports, and what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# The paper averages over epochs 500 to 800 of 800.
LAST_SHARE = 3 / 8


@attrs.frozen
class Spread:
    """A mean over seeds, with their sample standard deviation (NaN for one seed)."""

    mean: float
    std: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Describe one value for each seed."""
        std = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        return cls(float(values.mean()), std, tuple(map(float, values)))

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if np.isnan(self.std) else f"{self.mean:.1f} ± {self.std:.1f}"


@attrs.frozen
class Stability:
    """What a row's curves come to.

    Attributes:
        best: each seed at its own best epoch on the test data, which nobody can know without labels.
        chosen: each seed at the epoch that is best on held-out training clips.
        last: the last epoch.
        average: each seed's mean over the last part of the training.
        jitter: over the same part, the seeds' standard deviation at each epoch, averaged: how far apart they are at any
            one epoch. The paper does not say whether its figure is this one or that of ``average``.
        best_epochs: the epoch of ``best`` for each seed, counted from 1.
    """

    best: Spread
    chosen: Spread
    last: Spread
    average: Spread
    jitter: float
    best_epochs: tuple[int, ...]


def describe(errors: Array, held_out: Array, last_share: float = LAST_SHARE) -> Stability:
    """Return the statistics of errors [seeds, epochs], given the errors on held-out clips of the same shape."""
    seeds = np.arange(len(errors))
    tail = errors[:, errors.shape[1] - tail_length(errors.shape[1], last_share) :]
    best, chosen = errors.argmin(1), held_out.argmin(1)
    jitter = float(tail.std(axis=0, ddof=1).mean()) if len(errors) > 1 else float("nan")
    return Stability(
        best=Spread.of(errors[seeds, best]),
        chosen=Spread.of(errors[seeds, chosen]),
        last=Spread.of(errors[:, -1]),
        average=Spread.of(tail.mean(1)),
        jitter=jitter,
        best_epochs=tuple(int(epoch) + 1 for epoch in best),
    )


def tail_length(epochs: int, last_share: float = LAST_SHARE) -> int:
    """Return how many epochs the last part of the training has; at least one."""
    return max(1, round(epochs * last_share))


def disagreeing(correlations: list[Mapping[str, float]], parts: tuple[str, ...]) -> int:
    """Return of how many seeds the parts have depths of different sign."""
    return sum(len({found[part] > 0 for part in parts}) > 1 for found in correlations)


def compared(lower: Spread, higher: Spread) -> str:
    """Say whether one row's mean is below another's: "yes" if all its seeds are, "overlap" if not all, "no"."""
    if lower.mean >= higher.mean:
        return "no"
    return "yes" if max(lower.values) < min(higher.values) else "overlap"
