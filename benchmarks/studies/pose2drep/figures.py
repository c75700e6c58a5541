"""Pictures of the study: error over epochs as in the paper's Fig. 4, and bars of the ways to stop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from curves import Curves
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from stability import tail_length
from tables import SETS, summarise

_KINDS = {"best": "best epoch", "chosen": "chosen on held-out", "last": "last epoch", "average": "average of the end"}
_PANELS = {
    "as the paper's Fig. 4": ("Full", "Ind-LT"),
    "all, orthographic": ("Full", "SC-LT", "Ind-LT", "SC-5", "Ind-5", "Ind-5w"),
    "perspective": ("Full B", "Ind-LT B"),
}
_COLOURS = {name: f"C{number}" for number, name in enumerate(_PANELS["all, orthographic"])}


def draw_stability(found: Mapping[str, Curves], path: Path) -> None:
    """Draw mean and standard deviation over seeds at every epoch; thin lines are seeds, where there are two rows.

    "flat" is the error of depths of zero.
    """
    panels = {title: [row for row in rows if row in found] for title, rows in _PANELS.items()}
    panels = {title: rows for title, rows in panels.items() if rows}
    size = (4.6 * len(panels), 3.3 * len(SETS))
    figure, axes = plt.subplots(
        len(SETS), len(panels), figsize=size, squeeze=False, sharex="col", sharey="row", layout="constrained"
    )
    for line, (label, name) in zip(axes, SETS.items(), strict=True):
        for axis, (title, rows) in zip(line, panels.items(), strict=True):
            for row in rows:
                _draw_curve(axis, row, found[row].metric(label), seeds=len(rows) <= 2)
            axis.axhline(found[rows[0]].flat[label], color="grey", linewidth=0.8, linestyle="--", label="flat")
            axis.set_title(f"{name}, {title}", fontsize=9)
            axis.grid(alpha=0.25)
            axis.legend(fontsize=7)
        line[0].set_ylabel("P-MPJPE, mm")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_curve(axis: Axes, row: str, errors: np.ndarray, seeds: bool) -> None:
    epochs, mean = np.arange(1, errors.shape[1] + 1), errors.mean(0)
    colour = _COLOURS[row.removesuffix(" B")]
    axis.plot(epochs, mean, color=colour, linewidth=1.6, label=row)
    if len(errors) > 1:
        std = errors.std(axis=0, ddof=1)
        axis.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
    if seeds:
        axis.plot(epochs, errors.T, color=colour, linewidth=0.4, alpha=0.6)


def draw_bars(found: Mapping[str, Curves], path: Path) -> None:
    """Draw the error of every row for each way to stop, seeds as points."""
    summary = summarise(found)
    figure, axes = plt.subplots(len(SETS), 1, figsize=(1.5 + 1.25 * len(found), 3.1 * len(SETS)), layout="constrained")
    width = 0.8 / len(_KINDS)
    for axis, (label, name) in zip(axes, SETS.items(), strict=True):
        for number, (kind, title) in enumerate(_KINDS.items()):
            spreads = [getattr(summary[row, label], kind) for row in found]
            places = np.arange(len(found)) + (number - (len(_KINDS) - 1) / 2) * width
            errors = [0.0 if np.isnan(spread.std) else spread.std for spread in spreads]
            axis.bar(places, [spread.mean for spread in spreads], width, yerr=errors, capsize=2, label=title, alpha=0.8)
            for place, spread in zip(places, spreads, strict=True):
                axis.plot([place] * len(spread.values), spread.values, ".", color="black", markersize=2.5)
        axis.axhline(next(iter(found.values())).flat[label], color="grey", linewidth=0.8, linestyle="--", label="flat")
        axis.set_xticks(range(len(found)), list(found))
        axis.set(ylabel="P-MPJPE, mm", title=f"Trained on 2D poses of lab, tested on {name}")
    tail = tail_length(len(next(iter(found.values())).steps))
    axes[0].legend(fontsize=7, ncols=2, title=f"the end: the last {tail} epochs", title_fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)
