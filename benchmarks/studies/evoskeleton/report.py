"""Table 5 and Figs. 2 and 9 to 12 of the paper from the grid's results, and what holds: tables.md, curves.png.

python benchmarks/studies/evoskeleton/report.py runs/evoskeleton
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray

from poseplug.registry.reports.statistics import Difference, over_seeds, paired

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables import METRICS, errors, table

SOME = 0.1
MAIN = ("B", "B, as long", "B + C", "B + E", "B + C + E", "rigid + jitter", "E + rigid + jitter")
CURVES = {  # figure: arms at 10 % of the data, in the order of its horizontal axis
    "Fig. 10: blocks R before and after evolution": ("R = 1", "B", "R = 5", "R = 1, E", "B + E", "R = 5, E"),
    "Fig. 11: generations (B none, B + E ten)": ("B", "G = 3", "B + E", "G = 20", "G = 30"),
    "Fig. 12: operators (B + E turns and resizes people too)": ("B", "crossover", "crossover + mutation", "B + E"),
}
LENGTHS = ("B", "B + C", "T = 3")
ARMS = list(dict.fromkeys([*MAIN, *LENGTHS, *(arm for arms in CURVES.values() for arm in arms)]))
# The paper's claims as pairs (lower, higher), on which evaluations, and at which shares of the data.
TESTS = ("lab_own", "lab_random", "wild_own", "wild_random")
CLAIMS = (
    ("Table 5: the cascade helps", ("B + C", "B"), TESTS, None),
    ("the same, in as many steps", ("B + C", "B, as long"), TESTS, None),
    ("Table 5: evolution helps the cascade", ("B + C + E", "B + C"), TESTS, None),
    ("Fig. 2: evolution helps one learner", ("B + E", "B"), TESTS, None),
    ("Fig. 9: a longer cascade fits training data better", ("T = 3", "B"), ("train",), None),
    ("Fig. 9: and does not overfit", ("T = 3", "B"), TESTS, None),
    ("Fig. 10: depth helps after evolution", ("R = 5, E", "R = 1, E"), TESTS, SOME),
    ("Fig. 10: and not before", ("R = 1", "R = 5"), TESTS, SOME),
    ("Fig. 10: evolved data are harder to fit", ("R = 5", "R = 5, E"), ("train",), SOME),
    ("Fig. 11: more generations help", ("G = 30", "G = 3"), TESTS, SOME),
    ("Fig. 11: and are harder to fit", ("G = 3", "G = 30"), ("train",), SOME),
    ("Fig. 12: mutation helps crossover", ("crossover + mutation", "crossover"), TESTS, SOME),
    ("Fig. 12: and makes training harder", ("crossover", "crossover + mutation"), ("train",), SOME),
    ("beyond the paper: crossover alone helps", ("crossover", "B"), TESTS, SOME),
    ("beyond the paper: and more than all of evolution", ("crossover", "B + E"), TESTS, SOME),
    ("beyond the paper: and more than rigid + jitter", ("crossover", "rigid + jitter"), TESTS, SOME),
    ("beyond the paper: evolution beats rigid + jitter", ("B + E", "rigid + jitter"), TESTS, None),
    ("beyond the paper: evolution helps rigid + jitter", ("E + rigid + jitter", "rigid + jitter"), TESTS, None),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="the folder that poseplug ablate wrote")
    grid = parser.parse_args().grid
    # Cells that have not been run are as good as none.
    value = xarray.load_dataset(grid / "results.nc").value.rename({"reference.share": "share"}).reindex(arm=ARMS)
    text = markdown(value)
    (grid / "tables.md").write_text(text, encoding="utf-8")
    draw(value.sel(metric="mpjpe_mm"), grid / "curves.png")
    print(text)


def markdown(value: xarray.DataArray) -> str:
    """Return all tables of the grid."""
    shares, factors = value.share.values, ("share", "arm")
    parts = ["# EvoSkeleton from lab to wild\n", "MPJPE / P-MPJPE in mm, mean ± standard deviation over seeds.\n"]
    for share in shares:
        parts += [f"## Table 5, {percent(share)} of lab\n", *errors(value, factors, [(share, arm) for arm in MAIN])]
    parts += ["## Fig. 9: parts of the cascade\n"]
    parts += errors(value, factors, [(share, arm) for share in shares for arm in LENGTHS])
    for title, arms in CURVES.items():
        parts += [f"## {title}, {percent(SOME)} of lab\n", *errors(value, factors, [(SOME, arm) for arm in arms])]
    parts += [
        "## What holds\n",
        "Error of the first less that of the second, mm: mean over seeds of the differences of equal seeds, and its "
        "95 % interval. It holds where the interval lies below 0, and is refuted where it lies above.\n",
    ]
    head = ("claim", "first", "second", "share", "evaluation", "MPJPE", "", "P-MPJPE", "")
    return "\n".join([*parts, *table(head, _orderings(value))])


def _orderings(value: xarray.DataArray) -> Iterator[list[str]]:
    for claim, (first, second), evaluations, only in CLAIMS:
        for share in value.share.values if only is None else [only]:
            for evaluation in evaluations:
                of = value.sel(share=share, evaluation=evaluation)
                found = [paired(*(of.sel(arm=arm, metric=m).values for arm in (first, second))) for m in METRICS]
                if found[0].n:
                    cells = [claim, first, second, percent(share), evaluation.replace("_", ", ")]
                    yield [*cells, *(text for one in found for text in _said(one))]


def _said(found: Difference) -> tuple[str, str]:
    if found.n < 2:
        return f"{found.mean:+.1f}", "one seed"
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})", verdict(float(found.low), float(found.high))


def verdict(low: float, high: float) -> str:
    """Return what an interval says of a claimed decrease."""
    return "holds" if high < 0 else "refuted" if low > 0 else "open"


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{share:.0%}"


def draw(error: xarray.DataArray, path: Path) -> None:
    """Draw Figs. 2 and 9 to 12: errors with their standard deviations over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    plots = figure.subplots(2, 3).ravel()
    shares = [percent(share) for share in error.share.values]
    for axis, evaluation in zip(plots, ("lab_own", "wild_random"), strict=False):
        for arm in ("B", "B + E", "B + C + E", "rigid + jitter", "E + rigid + jitter"):
            _line(axis, shares, error.sel(arm=arm, evaluation=evaluation).values, arm)
        axis.set(title=f"Fig. 2, Table 5: {evaluation.replace('_', ', ')}", xlabel="share of lab")
    of = {"train": "lab, training clips", "lab_own": "lab, own", "wild_random": "wild, random"}
    lengths = [[(share, arm) for arm in LENGTHS] for share in error.share.values]
    for share, cells in zip(shares, lengths, strict=True):
        rows = np.stack([error.sel(share=s, arm=arm, evaluation="wild_random").values for s, arm in cells])
        _line(plots[2], ["1", "2", "3"], rows, share)
    plots[2].set(title="Fig. 9: wild, random", xlabel="parts T")
    for axis, (title, arms) in zip(plots[3:], CURVES.items(), strict=True):
        for evaluation, name in of.items():
            rows = np.stack([error.sel(share=SOME, arm=arm, evaluation=evaluation).values for arm in arms])
            _line(axis, arms, rows, name, joined=not title.startswith("Fig. 10"))
        axis.set(title=title.partition(" (")[0] + f", {percent(SOME)}")
        axis.tick_params(axis="x", labelrotation=25)
    for axis in plots:
        axis.set_ylabel("MPJPE, mm")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, framealpha=0.6)
    figure.savefig(path, dpi=110)


def _line(axis: object, places: Sequence[str], values: np.ndarray, name: str, joined: bool = True) -> None:
    """Draw values [X, S] over places [X]."""
    spread = over_seeds(values)
    mean, deviation = spread.mean, np.nan_to_num(spread.sd)
    axis.errorbar(list(places), mean, deviation, label=name, marker="o", ms=3, capsize=2, ls="-" if joined else "")


if __name__ == "__main__":
    main()
