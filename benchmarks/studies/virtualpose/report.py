"""Tables 4 and 5 and Fig. 3 (a) of the paper from the grid's results, and what holds: tables.md, cameras.png.

python benchmarks/studies/virtualpose/report.py runs/virtualpose
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray

from poseplug.registry.reports.statistics import over_seeds, paired

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables import spread, table

CAMERAS = ("random", "low", "middle", "high", "high, nearly")
FIXED = ("low", "middle", "high")
TESTS = ("random", *FIXED, "above", "far")
FOUND = ("DE", "REN", "REN + PEN", "REN, naive")  # who search
GIVEN = ("TBS", "TIF", "BDR")  # who are told who is where
FIGURES = ("mrpe_mm", "mrpe_z_mm", "recall", "pck_root", "mpjpe_mm")
HEADINGS = ("MRPE, mm", "MRPE z, mm", "found, %", "PCK root, %", "MPJPE, mm")
# What says that the first is better than the second: less depth error of those who were found, more people found well.
JUDGED = ("mrpe_z_mm", "pck_root")
# The paper's orderings: (claim, better, worse, evaluations), each side an arm and the cameras that it was trained on.
RANDOM = "random"
CLAIMS = (
    ("Table 4: voxels better than the depth map", ("REN", RANDOM), ("DE", RANDOM), TESTS),
    ("Table 4: poses better than the voxels", ("REN + PEN", RANDOM), ("REN", RANDOM), TESTS),
    ("heat at its depth better than at every depth", ("REN", RANDOM), ("REN, naive", RANDOM), TESTS),
    *(
        ("Table 5: random cameras better than another one", ("REN", RANDOM), ("REN", trained), (tested,))
        for tested in FIXED
        for trained in FIXED
        if trained != tested
    ),
    *(("Table 5: a camera's own better than random ones", ("REN", own), ("REN", RANDOM), (own,)) for own in FIXED),
    ("the same, nearly known", ("REN", "high, nearly"), ("REN", RANDOM), ("high",)),
    *(
        ("Fig. 3 (a): on its own camera better than another's", (arm, tested), (arm, trained), (tested,))
        for arm in GIVEN
        for tested in FIXED
        for trained in FIXED
        if trained != tested
    ),
    *(("beyond the paper: random cameras help", (arm, RANDOM), (arm, "low"), ("middle", "high")) for arm in GIVEN),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="the folder that poseplug ablate wrote")
    grid = parser.parse_args().grid
    value = xarray.load_dataset(grid / "results.nc").value
    # Whoever searches is judged under a protocol that says so, in an evaluation of its own; a cell has one of both.
    names = [str(name).partition(" (")[0] for name in value.evaluation.values]
    value = value.assign_coords(evaluation=names).groupby("evaluation").mean()
    # Cells and figures that are not there are as good as none.
    value = value.reindex(arm=[*FOUND, *GIVEN], cameras=CAMERAS, evaluation=TESTS, metric=FIGURES)
    text = markdown(value)
    (grid / "tables.md").write_text(text, encoding="utf-8")
    draw(value, grid / "cameras.png")
    print(text)


def markdown(value: xarray.DataArray) -> str:
    """Return all tables of the grid."""
    parts = [
        "# VirtualPose from lab to wild\n",
        "Mean ± standard deviation over seeds. Errors are those of people who ",
    ]
    parts[-1] += "were found, or of all where everybody is given; PCK root is over all people.\n"
    for test in TESTS:
        parts += [f"## Table 4, tested on {test} cameras\n", *table(("arm", *HEADINGS), _arms(value, test))]
    for arm in ("REN", *GIVEN):
        name = "Table 5" if arm == "REN" else "Fig. 3 (a)"
        found = " (found, %)" if arm in FOUND else ""
        parts += [f"## {name}: {arm}, MRPE z in mm by cameras{found}\n"]
        parts += table(("trained on", *TESTS), _by_camera(value.sel(arm=arm)))
    parts += [
        "## What holds\n",
        "The first less the second: mean over seeds of the differences of equal seeds, and its 95 % interval. A claim "
        "holds where the interval lies on its side of 0 (below for errors, above for PCK root), and is refuted where "
        "it lies on the other.\n",
    ]
    head = ("claim", "first", "second", "tested on", "MRPE z, mm", "", "PCK root, %", "")
    return "\n".join([*parts, *table(head, _claims(value))])


def _arms(value: xarray.DataArray, test: str) -> Iterator[list[str]]:
    for arm in (*FOUND, *GIVEN):
        of = value.sel(arm=arm, cameras=RANDOM, evaluation=test)
        if of.notnull().any():
            yield [arm, *(spread(of.sel(metric=metric)) for metric in FIGURES)]


def _by_camera(value: xarray.DataArray) -> Iterator[list[str]]:
    for cameras in CAMERAS:
        of = value.sel(cameras=cameras)
        if of.notnull().any():
            cells = (of.sel(evaluation=test) for test in TESTS)
            yield [cameras, *(_with_recall(cell) for cell in cells)]


def _with_recall(of: xarray.DataArray) -> str:
    recall = of.sel(metric="recall")
    said = f" ({float(recall.mean()):.0f})" if recall.notnull().any() else ""
    return spread(of.sel(metric="mrpe_z_mm")) + said


def _claims(value: xarray.DataArray) -> Iterator[list[str]]:
    for claim, first, second, tests in CLAIMS:
        for test in tests:
            sides = [value.sel(arm=arm, cameras=cameras, evaluation=test) for arm, cameras in (first, second)]
            found = {metric: paired(*(side.sel(metric=metric).values for side in sides)) for metric in JUDGED}
            if not found["mrpe_z_mm"].n:
                continue
            cells = [claim, ", ".join(first), ", ".join(second), test]
            for metric, one in found.items():
                if one.n < 2:
                    cells += [f"{one.mean:+.1f}", "one seed"]
                else:
                    cells += [f"{one.mean:+.1f} ({one.low:+.1f} to {one.high:+.1f})"]
                    low, high = (one.low, one.high) if metric.endswith("_mm") else (-one.high, -one.low)
                    cells += [verdict(float(low), float(high))]
            yield cells


def verdict(low: float, high: float) -> str:
    """Return what an interval says of a claimed decrease."""
    return "holds" if high < 0 else "refuted" if low > 0 else "open"


def draw(value: xarray.DataArray, path: Path) -> None:
    """Draw Table 5 and Fig. 3 (a): depth errors by training and test camera."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    plots = figure.subplots(1, 4)
    trained = CAMERAS[:4]
    for axis, arm in zip(plots, ("REN", *GIVEN), strict=True):
        of = value.sel(arm=arm, cameras=list(trained), evaluation=list(trained), metric="mrpe_z_mm")
        mean = over_seeds(of.transpose("cameras", "evaluation", "seed").values).mean
        axis.imshow(mean, cmap="Blues", vmin=0, vmax=np.nanmax(mean) if np.isfinite(mean).any() else 1)
        for (row, column), error in np.ndenumerate(mean):
            dark = np.isfinite(error) and error > 0.6 * np.nanmax(mean)
            axis.text(column, row, f"{error:.0f}", ha="center", va="center", fontsize=8, color="w" if dark else "k")
        axis.set_xticks(range(4), trained, fontsize=8)
        axis.set_yticks(range(4), trained, fontsize=8)
        axis.set_title(f"{arm}: MRPE z, mm", fontsize=9)
        axis.set_xlabel("tested on", fontsize=8)
    plots[0].set_ylabel("trained on", fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
