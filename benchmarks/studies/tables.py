"""What the studies' tables share, and the plain table of any grid: MPJPE / P-MPJPE of every combination.

python benchmarks/studies/tables.py runs/lab-to-wild
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from numpy.typing import ArrayLike

METRICS = ("mpjpe_mm", "p_mpjpe_mm")
ORDERED = ("lower", "higher", "less error", "seeds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="a folder that poseplug ablate wrote")
    value = xarray.load_dataset(parser.parse_args().grid / "results.nc").value
    factors = [str(name) for name in value.dims[:-3]]
    print("\n".join(errors(value, factors, itertools.product(*(value[name].values for name in factors)))))


def errors(value: xarray.DataArray, factors: Sequence[str], cells: Iterable[Sequence[Any]]) -> list[str]:
    """Return the table of those combinations of a grid's levels that have been run."""
    columns, lines = value.evaluation.values, []
    for cell in cells:
        of = value.sel(dict(zip(factors, cell, strict=True))).dropna("seed", how="all")
        figures = [" / ".join(spread(of.sel(evaluation=c, metric=metric)) for metric in METRICS) for c in columns]
        lines += [[*cell, *figures, of.sizes["seed"]]] if of.size else []
    return table([*factors, *(str(column).replace("_", ", ") for column in columns), "seeds"], lines)


def table(head: Sequence[Any], rows: Iterable[Iterable[Any]]) -> list[str]:
    """Return a Markdown table, with an empty line behind it."""
    first, *others = ["| " + " | ".join(map(str, line)) + " |" for line in (head, *rows)]
    return [first, "|" + "---|" * len(head), *others, ""]


def spread(values: ArrayLike) -> str:
    """Return mean and sample standard deviation over seeds; NaN is no seed."""
    found = np.asarray(values, dtype=float)
    found = found[~np.isnan(found)]
    return (f"{found.mean():.1f}" if len(found) else "-") + (f" ± {found.std(ddof=1):.1f}" if len(found) > 1 else "")


def orderings(error: xarray.DataArray, pairs: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    """Give for pairs of arms how much less error (arm, seed) the first has, and how the seeds lie: apart or not."""
    for pair in pairs:
        found = [error.sel(arm=arm).dropna("seed") for arm in pair if arm in error.arm.values]
        if len(found) == 2 and all(one.size for one in found):
            a, b = found
            apart = bool(a.max() < b.min() or b.max() < a.min())
            seeds = "one" if a.size == 1 else "apart" if apart else "overlap"
            yield [*pair, f"{float(1 - a.mean() / b.mean()):.1%}", seeds]


if __name__ == "__main__":
    main()
