"""Scenes in the picture of a data set: a row for each, image and space side by side."""

from __future__ import annotations

from typing import Any

from poseplug.registry.datasets.scenes.lines import STYLES, Panel, panels
from poseplug.registry.datasets.scenes.shown import ScenesShown

# Inches: how wide an image is, and the heights between which rows are, title included.
_IMAGE, _LOW, _HIGH, _TITLE = 3.7, 1.8, 3.7, 0.35


def height_of(shown: ScenesShown) -> float:
    """Return how high the picture is, inches."""
    return sum(_heights(shown)) + 0.3


def _heights(shown: ScenesShown) -> list[float]:
    shapes = (height / width for width, height in (scene.size for scene in shown.scenes))
    return [min(max(_IMAGE * shape, _LOW), _HIGH) + _TITLE for shape in shapes]


def draw_scenes(place: Any, shown: ScenesShown) -> None:
    """Draw the scenes into a part of a figure."""
    rows = panels(shown)
    axes = place.subplots(len(rows), 2, squeeze=False, width_ratios=(1, 1.15), height_ratios=_heights(shown))
    for row, pair in zip(axes, rows, strict=True):
        for axis, panel in zip(row, pair, strict=True):
            _draw(axis, panel)
    place.suptitle(_caption(shown), fontsize=8, color=STYLES["camera"][0])


def _caption(shown: ScenesShown) -> str:
    if not shown.model:
        return "left and right of people are blue and red"
    how = "puts everybody, who is given in 2D" if shown.given else "finds people"
    return f"grey: the truth; coloured: where {shown.model} {how}"


def _draw(axis: Any, panel: Panel) -> None:
    from matplotlib.collections import LineCollection

    if panel.image is not None:
        axis.imshow(panel.image, extent=panel.extent)
    for what, ends in panel.lines:
        colour, width = STYLES[what]
        dashes = "--" if what == "box" else "-"
        axis.add_collection(
            LineCollection(list(ends), colors=colour, linewidths=width, linestyles=dashes, capstyle="round")
        )
    left, right, bottom, top = panel.box
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
    axis.set_title(panel.title, fontsize=8)
    image = bottom > top
    for spine in axis.spines.values():
        spine.set_visible(image)
        spine.set_color(STYLES["box"][0])
