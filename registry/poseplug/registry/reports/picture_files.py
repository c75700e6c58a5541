"""The page's figures as files for a paper, drawn by matplotlib from what plotly would draw."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_whole
from poseplug.registry.reports.figures import Figure
from poseplug.registry.reports.statistics import missing

# The page's colours in its light theme: for a paper.
_SERIES = ("#1f5fa8", "#c4570e", "#23805a", "#8a3fa0", "#a8871a", "#5b6472")
_HEAT = ("#d6e6f5", "#f4f1ea", "#f0c9a8")
_MARKERS = {"circle": "o", "diamond": "D", "square": "s"}
_WIDTH, _ROW, _CURVE = 6.5, 0.28, 3.2


def write_pictures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write each figure as PDF and as PNG; return the files.

    Raises:
        PoseplugError: matplotlib is not installed, or the folder cannot be written.
    """
    files = []
    for figure in figures:
        picture = _picture(figure)
        for kind in ("pdf", "png"):
            path = folder / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', figure.name)}.{kind}"
            look = {"format": kind, "dpi": 200, **({"metadata": {"Title": figure.title}} if kind == "pdf" else {})}
            write_whole(path, partial(picture.savefig, **look))
            files.append(path)
    if not files:
        raise PoseplugError("There is nothing to draw a picture of.")
    return files


def _picture(figure: Figure) -> Any:
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise missing("matplotlib") from None
    rows = figure.layout.get("yaxis", {}).get("ticktext", ())
    canvas = Canvas(figsize=(_WIDTH, 1 + _ROW * len(rows) if rows else _CURVE), layout="constrained")
    axes = canvas.subplots()
    for trace in figure.data:
        if trace["type"] == "heatmap":
            _map(axes, trace)
        elif trace["mode"] == "markers":
            _dots(axes, trace)
        elif "fill" in trace:
            axes.fill(_numbers(trace["x"]), _numbers(trace["y"]), color=_colour(trace["fillcolor"]), alpha=0.16, lw=0)
        else:
            axes.plot(
                _numbers(trace["x"]), _numbers(trace["y"]), color=_colour(trace["line"]["color"]), label=trace["name"]
            )
    for side, axis in (("x", figure.layout.get("xaxis", {})), ("y", figure.layout.get("yaxis", {}))):
        _scale(axes, side, axis)
    if figure.layout.get("shapes"):
        axes.axvline(0, color="0.4", lw=0.8, ls=":")
    if sum(bool(trace.get("name")) and trace.get("showlegend", True) for trace in figure.data) > 1:
        axes.legend(frameon=False, fontsize=8)
    axes.set_title(figure.title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return canvas


def _dots(axes: Any, trace: dict[str, Any]) -> None:
    colour = _colour(trace["marker"]["color"])
    whiskers = _numbers(trace["error_x"]["array"]) if "error_x" in trace else None
    marker = _MARKERS[trace["marker"]["symbol"]]
    look = {"fmt": marker, "color": colour, "ms": 4, "lw": 1, "capsize": 2, "label": trace["name"] or None}
    axes.errorbar(_numbers(trace["x"]), trace["y"], xerr=whiskers, **look)
    axes.grid(axis="x", color="0.9", lw=0.6)
    axes.set_axisbelow(True)


def _map(axes: Any, trace: dict[str, Any]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    axes.imshow(trace["z"], cmap=LinearSegmentedColormap.from_list("heat", _HEAT), aspect="auto")
    for i, line in enumerate(trace["text"]):
        for j, text in enumerate(line):
            axes.text(j, i, text, ha="center", va="center", fontsize=8)


def _scale(axes: Any, side: str, axis: dict[str, Any]) -> None:
    if axis.get("type") == "log":
        getattr(axes, f"set_{side}scale")("log")
    if "tickvals" in axis:
        getattr(axes, f"set_{side}ticks")(axis["tickvals"], axis["ticktext"], minor=False)
    if "range" in axis:
        getattr(axes, f"set_{side}lim")(*axis["range"])
    if "title" in axis:
        getattr(axes, f"set_{side}label")(axis["title"]["text"], fontsize=8)


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _colour(name: str) -> str:
    found = re.search(r"series-(\d)", name)
    return _SERIES[int(found[1]) - 1] if found else "black"
