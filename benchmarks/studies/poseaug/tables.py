"""The study's numbers: means and spreads over seeds, and which of the paper's orderings hold."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rows import ABLATED, ABLATIONS, COLUMNS, COMPARED, EXAMINED, EXPLAINED, LIFTERS, Cell, Size

Results = dict[tuple[str, str], list[dict[str, Any]]]
# What the paper finds: the first row has a lower error than the second (Tables 5 to 7, cross-data-set column).
ORDERINGS = (
    ("BA", "captured"),
    ("RT", "BA"),
    ("BA + RT", "RT"),
    ("BA + RT + BL", "BA + RT"),
    ("PoseAug", "BA + RT + BL"),
    ("pose2d only", "captured"),
    ("kcs_part only", "captured"),
    ("PoseAug", "pose2d only"),
    ("PoseAug", "kcs_part only"),
    ("kcs_full + pose2d", "captured"),
    ("PoseAug", "kcs_full + pose2d"),
)
UNSEEN = "wild_random"
AIM = 0.45


def read(asked: Iterable[Cell], out: Path) -> Results:
    """Return the result objects of the finished cells, by lifter and row."""
    results: Results = {}
    for cell in asked:
        path = out / cell.folder / "result.json"
        if path.exists():
            results.setdefault((cell.lifter, cell.row), []).append(json.loads(path.read_text()))
    return results


def values(results: Results, lifter: str, row: str, column: str, metric: str = "mpjpe_mm") -> list[float]:
    """Return a metric of every seed."""
    return [result["metrics"][column][metric] for result in results.get((lifter, row), [])]


def markdown(results: Results, name: str, size: Size) -> str:
    """Return all tables, and what they say."""
    parts = [
        f"# PoseAug from lab to wild, size {name}\n",
        "MPJPE / P-MPJPE in mm, 16 joints, root counted; mean ± standard deviation over seeds. Every row of a seed "
        f"goes on from the same lifter, pre-trained for {size.pretraining} steps on captured poses, with "
        f"{size.updates} updates of {size.batch} poses; PoseAug has {size.warm_up + size.cycles * size.adversarial} "
        f"steps of augmentor and discriminators, {size.warm_up} of them before the lifter trains on what it makes. One "
        "body size, no licensed data: numbers compare with each other only.\n",
        "## Table 4: lifters\n",
        *_table(results, [(lifter, row) for lifter in LIFTERS for row in COMPARED]),
    ]
    for title, rows in ABLATIONS.items():
        if all((ABLATED, row) in results for row in rows):
            parts += [f"\n## {title} ({ABLATED})\n", *_table(results, [(ABLATED, row) for row in rows])]
    if all((EXAMINED, row) in results for row in EXPLAINED):
        parts += [f"\n## Why ({EXAMINED})\n", *_table(results, [(EXAMINED, row) for row in EXPLAINED])]
    parts += ["\n## What holds\n", *_findings(results), "\n## Health\n", *_health(results)]
    return "\n".join(parts) + "\n"


def _table(results: Results, rows: list[tuple[str, str]]) -> list[str]:
    lines = ["| lifter | training | " + " | ".join(COLUMNS.values()) + " | seeds |", "|---|---|" + "---|" * 5]
    for lifter, row in rows:
        found = results.get((lifter, row))
        if found:
            figures = [_figure(results, lifter, row, column) for column in COLUMNS]
            lines.append(f"| {lifter} | {row} | " + " | ".join(figures) + f" | {len(found)} |")
    return lines


def _figure(results: Results, lifter: str, row: str, column: str) -> str:
    texts = []
    for metric in ("mpjpe_mm", "p_mpjpe_mm"):
        found = values(results, lifter, row, column, metric)
        spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
        texts.append(f"{statistics.mean(found):.1f}{spread}")
    return " / ".join(texts)


def _findings(results: Results) -> list[str]:
    lines = []
    for lifter in LIFTERS:
        found = {row: values(results, lifter, row, UNSEEN) for row in COMPARED}
        if all(found.values()):
            captured, random, learned = (statistics.mean(found[row]) for row in COMPARED)
            less = 1 - learned / captured
            lines.append(
                f"* {lifter}: PoseAug has {abs(less):.0%} {'less' if less > 0 else 'more'} error than as captured on "
                f"{COLUMNS[UNSEEN]} (aim: {AIM:.0%} less, {'met' if less >= AIM else 'not met'}), and "
                f"{_compared(found['PoseAug'], found['rigid + jitter'])} than rigid + jitter "
                f"({learned:.1f} against {random:.1f} mm)."
            )
    for row in EXPLAINED[1:]:
        found = {row: values(results, EXAMINED, row, UNSEEN) for row in (EXPLAINED[0], row)}
        if all(found.values()):
            captured, other = (statistics.mean(v) for v in found.values())
            lines.append(
                f"* {EXAMINED}: '{row}' has {abs(1 - other / captured):.0%} {'less' if other < captured else 'more'} "
                f"error than as captured on {COLUMNS[UNSEEN]} ({other:.1f} against {captured:.1f} mm)."
            )
    for better, worse in ORDERINGS:
        found = {row: values(results, ABLATED, row, UNSEEN) for row in (better, worse)}
        if all(found.values()):
            holds = statistics.mean(found[better]) < statistics.mean(found[worse])
            lines.append(
                f"* {ABLATED}, {COLUMNS[UNSEEN]}: '{better}' below '{worse}', as in the paper: "
                f"{'holds' if holds else 'does not hold'} ({statistics.mean(found[better]):.1f} against "
                f"{statistics.mean(found[worse]):.1f} mm, {len(found[better])} seed(s))."
            )
    return lines


def _compared(ours: list[float], theirs: list[float]) -> str:
    """Say lower or higher, and whether the seeds overlap."""
    lower = statistics.mean(ours) < statistics.mean(theirs)
    apart = max(ours) < min(theirs) if lower else min(ours) > max(theirs)
    return ("less" if lower else "more") + ("" if apart or len(ours) == 1 else " (seeds overlap)")


def _health(results: Results) -> list[str]:
    lines = [
        "`right`: how often discriminators are right about real poses and about augmented ones.\n",
        "| lifter | training | accepted | turn | variety | views | spread | right, 3D | right, 2D | collapsed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (lifter, row), found in results.items():
        reports = [result["diagnostics"].get("augmentor0", {}) for result in found]
        if any("collapsed" in report for report in reports):
            names = ("accepted", "turn", "variety", "views", "spread")
            figures = [_mean([report[name] for report in reports if name in report]) for name in names]
            figures += [_right(found, kind) for kind in ("kcs", "pose2d")]
            collapsed = sum(any(part.get("collapsed") for part in result["diagnostics"].values()) for result in found)
            lines.append(f"| {lifter} | {row} | " + " | ".join(figures) + f" | {collapsed} of {len(found)} |")
    return lines


def _right(found: list[dict[str, Any]], kind: str) -> str:
    """Return a discriminator's mean accuracy on real and on augmented poses; "-" where the row has none of its kind."""
    parts = [part for result in found for name, part in result["diagnostics"].items() if name.startswith(kind)]
    if not parts:
        return "-"
    return " / ".join(
        f"{statistics.mean(part[name] for part in parts):.2f}" for name in ("accuracy_real", "accuracy_fake")
    )


def _mean(found: list[float]) -> str:
    return f"{statistics.mean(found):.2f}" if found else "-"
