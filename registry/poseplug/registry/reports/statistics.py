"""Means over seeds, differences paired by seed, and what a factor does: arrays in, arrays out.

NaN stands for what was not measured and is left out; every figure says of how many seeds it is.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError

Array = NDArray[np.float64]
CONFIDENCE = 0.95


@attrs.frozen(eq=False)
class Spread:
    """Seeds put together.

    Attributes:
        mean: their mean, NaN of none.
        sd: their sample standard deviation, NaN of fewer than two.
        n: how many there are.
    """

    mean: Array
    sd: Array
    n: NDArray[np.int64]


@attrs.frozen(eq=False)
class Difference:
    """Differences of seeds that both sides have.

    Attributes:
        mean: their mean, NaN of none.
        low, high: its confidence interval by Student's t, NaN of fewer than two seeds.
        n: of how many seeds it is.
    """

    mean: Array
    low: Array
    high: Array
    n: NDArray[np.int64]


def over_seeds(values: Array) -> Spread:
    """Put the seeds, the last axis of values [..., S], together."""
    seen = np.isfinite(values)
    n = seen.sum(-1)
    mean = _divided(np.where(seen, values, 0).sum(-1), n)
    squares = np.where(seen, values - mean[..., None], 0) ** 2
    return Spread(mean, np.sqrt(_divided(squares.sum(-1), np.where(n > 1, n - 1, 0))), n)


def paired(values: Array, baseline: Array) -> Difference:
    """Return how values [..., S] differ from a baseline's, seed by seed; only seeds of both count."""
    return _with_interval(over_seeds(values - baseline))


def main_effects(values: Array, reference: int) -> tuple[Difference, NDArray[np.int64]]:
    """Return what the levels of a factor do beside one of them, all else being equal.

    A pair is a cell and the one that differs from it in this factor alone, which has the reference level. Differences
    of pairs are averaged for each seed, so that these means are independent; the interval is over seeds.

    Args:
        values: [L, C, S] of L levels in C combinations of the other factors.
        reference: the level to compare with.

    Returns:
        The effects [L], and the number of pairs [L] that each is made of.
    """
    differences = values - values[reference]
    seen = np.isfinite(differences)
    of_seeds = _divided(np.where(seen, differences, 0).sum(1), seen.sum(1))
    return _with_interval(over_seeds(of_seeds)), seen.sum((1, 2))


def _with_interval(spread: Spread) -> Difference:
    half = _t(spread.n) * spread.sd / np.sqrt(np.maximum(spread.n, 1))
    return Difference(spread.mean, spread.mean - half, spread.mean + half, spread.n)


def _t(n: NDArray[np.int64]) -> Array:
    """Return Student's t for the confidence of an interval of n values."""
    try:
        from scipy.special import stdtrit
    except ImportError:
        raise missing("scipy") from None
    quantiles: Array = stdtrit(np.maximum(n - 1, 1).astype(float), (1 + CONFIDENCE) / 2)
    return quantiles


def missing(package: str) -> PoseplugError:
    """Return the error that says how to install what reports need besides poseplug."""
    return PoseplugError(f"This needs '{package}', which is not installed: pip install 'poseplug[report]'")


def require(*packages: str) -> None:
    """Raise PoseplugError, which says how to install them, unless these packages are installed."""
    for package in packages:
        try:
            __import__(package)
        except ImportError:
            raise missing(package) from None


def _divided(sums: Array, counts: NDArray[np.int64]) -> Array:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
