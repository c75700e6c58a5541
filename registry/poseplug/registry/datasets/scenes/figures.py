"""Scenes on the page of a data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from poseplug.registry.datasets.scenes.lines import STYLES, Panel, panels
from poseplug.registry.datasets.scenes.shown import ScenesShown
from poseplug.registry.reports.figures import Figure
from poseplug.registry.reports.statistics import missing

# What follows the theme of the page; the rest are greys that both themes can bear.
_COLOURS = {"right": "var(--series-2)", "left": "var(--series-1)", "": "var(--text)", "error": "var(--text)"}
_SHOWN = {"right": "right", "left": "left", "": "middle", "truth": "truth", "box": "boxes", "error": "root errors"}


def scene_figures(shown: ScenesShown) -> Iterator[Figure]:
    """Give a figure of the image and one of the space of each scene."""
    for number, (image, space) in enumerate(panels(shown), 1):
        yield _figure(f"scene-{number}-image", image, "Left and right are the person's.")
        yield _figure(f"scene-{number}-space", space, "The space before the camera, from its left and from above.")


def _figure(name: str, panel: Panel, note: str) -> Figure:
    data = []
    for what, ends in panel.lines:
        colour, width = STYLES[what]
        joined = np.concatenate([ends.round(3), np.full((len(ends), 1, 2), np.nan)], 1).reshape(-1, 2)
        x, y = ([None if np.isnan(value) else float(value) for value in axis] for axis in joined.T)
        line = {"color": _COLOURS.get(what, colour), "width": width * 1.3}
        if what == "box":
            line["dash"] = "dash"
        trace = {"type": "scatter", "mode": "lines", "name": _SHOWN.get(what, what), "x": x, "y": y, "line": line}
        data.append({**trace, "hoverinfo": "skip", "showlegend": what in _SHOWN})
    none = {"showgrid": False, "zeroline": False, "showticklabels": False}
    left, right, bottom, top = panel.box
    layout: dict[str, Any] = {
        "xaxis": {**none, "range": [left, right]},
        "yaxis": {**none, "range": [bottom, top], "scaleanchor": "x"},
        "height": 420,
    }
    if panel.image is not None:
        layout["images"] = [_picture(panel.image, panel.extent)]
    return Figure(name, panel.title[0].upper() + panel.title[1:], note, data, layout)


def _picture(image: Any, extent: tuple[float, float, float, float]) -> dict[str, Any]:
    """Return an image below a figure's lines, inside the page."""
    import base64
    import io

    try:
        from PIL import Image
    except ImportError:
        raise missing("pillow") from None
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=85)
    left, right, bottom, top = extent
    return {
        "source": "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode(),
        "x": left,
        "y": top,
        "sizex": right - left,
        "sizey": abs(bottom - top),
        "xref": "x",
        "yref": "y",
        "sizing": "stretch",
        "layer": "below",
    }
