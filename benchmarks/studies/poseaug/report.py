"""Tables 4 to 7 of the paper from the grid's results, which orderings hold, and how the augmentors fared: tables.md.

python benchmarks/studies/poseaug/report.py runs/poseaug
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tables import ORDERED, errors, orderings, table

COMPARED = ("captured", "rigid + jitter", "PoseAug")
TABLES = {
    ("Table 5: operators", "videopose"): ("captured", "BA", "RT", "BA + RT", "BA + RT + BL", "PoseAug"),
    ("Table 6: discriminators", "videopose"): ("captured", "pose2d only", "kcs_part only", "PoseAug"),
    ("Table 7: part-aware KCS", "videopose"): ("captured", "kcs_full + pose2d", "PoseAug"),
    ("Why", "mlp"): ("captured", "rigid + jitter, lab views", "PoseAug", "RT", "RT + Extra2D"),
}
HEALTH = ("accepted", "turn", "variety", "views", "spread")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="the folder that poseplug ablate wrote")
    grid = parser.parse_args().grid
    text = markdown(xarray.load_dataset(grid / "results.nc"))
    (grid / "tables.md").write_text(text, encoding="utf-8")
    print(text)


def markdown(results: xarray.Dataset) -> str:
    """Return all tables of the grid."""
    value = results.value
    unseen = value.sel(evaluation="wild_random", metric="mpjpe_mm")
    factors, lifters = ("lifter", "arm"), value.lifter.values
    parts = ["# PoseAug from lab to wild\n", "MPJPE / P-MPJPE in mm, mean ± standard deviation over seeds.\n"]
    parts += ["## Table 4: lifters\n", *errors(value, factors, [(each, arm) for each in lifters for arm in COMPARED])]
    for (title, lifter), arms in TABLES.items():
        parts += [f"## {title} ({lifter})\n", *errors(value, factors, [(lifter, arm) for arm in arms])]
    pairs = [("PoseAug", "captured"), ("PoseAug", "rigid + jitter")]
    rows = [[lifter, *row] for lifter in lifters for row in orderings(unseen.sel(lifter=lifter), pairs)]
    for (title, lifter), arms in TABLES.items():
        # The paper: each of Table 5 below the one before it, of Tables 6 and 7 between the first and the last.
        pairs = [(arm, arms[0]) for arm in arms[1:]] if title == "Why" else [(b, a) for a, b in pairwise(arms)]
        if title.startswith(("Table 6", "Table 7")):
            pairs = [pair for arm in arms[1:-1] for pair in ((arm, arms[0]), (arms[-1], arm))]
        rows += [[lifter, *row] for row in orderings(unseen.sel(lifter=lifter), pairs)]
    parts += ["## What holds: MPJPE on wild, random\n", *table(("lifter", *ORDERED), rows), "## Health\n"]
    parts += ["`right`: how often discriminators are right about real poses and about augmented ones.\n"]
    return "\n".join([*parts, *table((*factors, *HEALTH, "right, 3D", "right, 2D", "collapsed"), _health(results))])


def _health(results: xarray.Dataset) -> Iterator[list[str]]:
    for lifter in results.lifter.values:
        for arm in results.arm.values:
            cells = results.sel(lifter=lifter, arm=arm)
            folders = cells.folder.values[cells.state.values == "done"]
            runs = [json.loads((Path(folder) / "result.json").read_text())["diagnostics"] for folder in folders]
            if any("collapsed" in run.get("augmentor0", {}) for run in runs):
                figures = [_mean([run["augmentor0"].get(name) for run in runs]) for name in HEALTH]
                collapsed = sum(any(part.get("collapsed") for part in run.values()) for run in runs)
                right = (_right(runs, "kcs"), _right(runs, "pose2d"))
                yield [str(lifter), str(arm), *figures, *right, f"{collapsed} of {len(runs)}"]


def _right(runs: list[dict[str, Any]], kind: str) -> str:
    """Return a discriminator's mean accuracy on real and on augmented poses; "-" where the row has none of its kind."""
    parts = [part for run in runs for name, part in run.items() if name.startswith(kind)]
    names = ("accuracy_real", "accuracy_fake")
    return " / ".join(_mean([part[name] for part in parts]) for name in names) if parts else "-"


def _mean(found: list[float | None]) -> str:
    known = [value for value in found if value is not None]
    return f"{np.mean(known):.2f}" if known else "-"


if __name__ == "__main__":
    main()
