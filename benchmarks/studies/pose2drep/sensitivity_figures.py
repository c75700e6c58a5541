"""Pictures of the sensitivity study: heat maps by part of the body, and curves as in the paper's Figs. 2 and 3."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import xarray
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from responses import METRIC

# What does not answer at all is white.
_COLOURS = mpl.colormaps["magma_r"].with_extremes(bad="white")
_PANEL, _PART_COLOUR = 4.4, "#222222"


def draw_matrices(found: xarray.Dataset, name: str, title: str, parts: dict[str, list[int]], path: Path) -> None:
    """Draw a matrix (input, output) of every run; runs with the same unit have the same colours."""
    runs = list(found.run.values)
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    size = (_PANEL * columns + 0.6, (_PANEL - 0.6) * rows + 0.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis, run in zip(axes.flat, runs, strict=False):
        one = found.sel(run=run)
        alike = found[name].where(found.unit == one.unit, drop=True)
        metric = str(one.unit.item()) == METRIC
        # By extent of the pose, normalised depths are plain ratios.
        scale = 1000 if name == "matrix" and not metric else 1
        shown = np.ma.masked_equal(one[name] * scale, 0.0)
        picture = axis.imshow(shown, cmap=_COLOURS, vmin=0, vmax=float(alike.max()) * scale)
        _name_joints(axis, list(one.input.values), parts)
        figure.colorbar(picture, ax=axis, shrink=0.8, label=_label(name, metric))
        axis.set_title(run, fontsize=9)
    for axis in axes.flat[len(runs) :]:
        axis.axis("off")
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _label(name: str, metric: bool) -> str:
    if name == "matrix":
        return f"depth, {'mm' if metric else '1/1000 of the extent'}"
    return "depth, mm, by extent of the pose" if metric else "depth by (x, y)"


def _name_joints(axis: Axes, names: list[str], parts: dict[str, list[int]]) -> None:
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set(xlabel="depth predicted for", ylabel="2D joint moved")
    for edge in np.cumsum([len(joints) for joints in parts.values()])[:-1]:
        axis.axhline(edge - 0.5, color=_PART_COLOUR, linewidth=0.8)
        axis.axvline(edge - 0.5, color=_PART_COLOUR, linewidth=0.8)


def draw_curves(found: xarray.Dataset, chosen: tuple[str, str, str], path: Path) -> None:
    """Draw what moving the left elbow and the left ankle does to some depths, a row for each run.

    On the left of each pair of panels the mean absolute change; on the right the mean change, and the middle four
    fifths of the changes.
    """
    elbow, ankle, _ = chosen
    runs = list(found.run.values)
    moved = (elbow, elbow, ankle, ankle)
    figure, axes = plt.subplots(len(runs), 4, figsize=(13, 2.7 * len(runs) + 0.6), squeeze=False, layout="constrained")
    limits = {unit: _limits(found.where(found.unit == unit, drop=True), chosen) for unit in set(found.unit.values)}
    for row, run in zip(axes, runs, strict=True):
        one = found.sel(run=run)
        metric = str(one.unit.item()) == METRIC
        high, low, top = limits[str(one.unit.item())]
        for column, (axis, joint) in enumerate(zip(row, moved, strict=True)):
            signed = column % 2 == 1
            _draw_responses(axis, one.sel(input=joint), chosen, signed, 1 if metric else 1000)
            axis.set_ylim((low, top) if signed else (0, high))
            axis.set_title(f"{joint} moved: {'mean change' if signed else 'mean |change|'}", fontsize=8)
        row[0].set_ylabel(f"{run}\ndepth, {'mm' if metric else '1/1000 of the extent'}", fontsize=8)
    axes[0][0].legend(fontsize=7, title="depth of", title_fontsize=7)
    for axis in axes[-1]:
        axis.set_xlabel("change of the 2D joint, %", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _limits(found: xarray.Dataset, chosen: tuple[str, str, str]) -> tuple[float, float, float]:
    """Return the upper limit of absolute changes, and both limits of signed ones, for all runs of a unit."""
    shown = found.sel(input=list(chosen[:2]), output=list(chosen))
    scale = 1.05 if str(found.unit.values[0]) == METRIC else 1050.0
    tiny = 1e-6
    high = max(float(shown.absolute.max()), tiny)
    return high * scale, min(float(shown.low.min()), -tiny) * scale, max(float(shown.high.max()), tiny) * scale


def _draw_responses(axis: Axes, one: xarray.Dataset, shown: tuple[str, ...], signed: bool, scale: int) -> None:
    percent = one.delta * 100
    for number, joint in enumerate(shown):
        curve = one.sel(output=joint) * scale
        axis.plot(percent, curve.signed if signed else curve.absolute, color=f"C{number}", label=joint, linewidth=1.4)
        if signed:
            axis.fill_between(percent, curve.low, curve.high, color=f"C{number}", alpha=0.15, linewidth=0)
    axis.grid(alpha=0.25)
    axis.tick_params(labelsize=7)
