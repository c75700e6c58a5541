"""Directions of limb bones as figures of a page: one for each kind of bone, with the sources beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from poseplug.registry.datasets.directions import CELL, Directions, Kind
from poseplug.registry.reports.figures import Figure, series

_NOTE = {
    1: "Azimuth 0 points sideways (outwards), 90 down, 180 inwards, -90 up; elevation 90 forwards, -90 backwards.",
    2: "In axes that turn with the bone above, where a straight limb is at +. Allowed is what some allowed position of "
    "that bone allows.",
}
_GAP = 0.08


def direction_figures(shown: Directions) -> list[Figure]:
    """Return the figures."""
    return [_figure(kind, shown) for kind in shown.kinds]


def _figure(kind: Kind, shown: Directions) -> Figure:
    data, many = [], len(shown.sources)
    layout: dict[str, Any] = {"height": 330 if many > 1 else 420, "showlegend": False}
    most = max(float(held.share.max()) for held in kind.held if held)
    for number, held in enumerate(kind.held):
        mark = "" if number == 0 else str(number + 1)
        axes = {"xaxis": f"x{mark}", "yaxis": f"y{mark}"}
        width = (1 - _GAP * (many - 1)) / many
        begin = number * (width + _GAP)
        fixed = {"showgrid": False, "zeroline": False, "fixedrange": True}
        layout[f"xaxis{mark}"] = {
            **fixed,
            "title": {"text": "azimuth, degrees"},
            "range": [-180, 180],
            "dtick": 90,
            "domain": [begin, begin + width],
            "anchor": f"y{mark}",
        }
        layout[f"yaxis{mark}"] = {**fixed, "range": [-90, 90], "dtick": 45, "anchor": f"x{mark}"}
        if number == 0:
            layout["yaxis"]["title"] = {"text": "elevation, degrees"}
        data.append({**_forbidden(kind), **axes})
        if held is not None:
            data.append({**_heatmap(held.share, most), **axes})
        data.append({**_outline(kind), **axes})
        if kind.straight is not None:
            data.append({**_straight(kind.straight), **axes})
    title = f"{kind.name.capitalize()}: how often it points where, and what joint limits allow"
    sides = "; ".join(f"{side}: {said}" for side, said in zip(("Left", "right"), shown.sources, strict=False))
    note = f"{sides}. " if many > 1 else ""
    return Figure(f"direction-{kind.name.replace(' ', '-')}", title, note + _NOTE[kind.order], data, layout)


def _heatmap(share: Any, most: float) -> dict[str, Any]:
    """Return a heat map of the logarithm, whose cells without a bone stay empty."""
    with np.errstate(divide="ignore"):
        logs = np.round(np.log10(share * 100), 2)
    return {
        **_cells(share),
        "z": [[None if np.isinf(value) else value for value in row] for row in logs.tolist()],
        "text": [[f"{value:.3g} %" for value in row] for row in (share * 100).tolist()],
        "zmin": -3,
        "zmax": round(float(np.log10(most * 100)), 2),
        "colorscale": [[0, "var(--line)"], [1, series(0)]],
        "hovertemplate": "%{text} of bones at %{x}, %{y} degrees<extra></extra>",
    }


def _forbidden(kind: Kind) -> dict[str, Any]:
    shade = {"colorscale": [[0, "var(--line)"], [1, "var(--line)"]], "opacity": 0.45, "hoverinfo": "skip"}
    return {
        **_cells(kind.allowed),
        **shade,
        "z": [[None if cell else 1 for cell in row] for row in kind.allowed.tolist()],
    }


def _cells(table: Any) -> dict[str, Any]:
    """Return what heat maps of a table [R, C] share."""
    rows, columns = table.shape
    x, y = ([(i + 0.5) * CELL - end for i in range(count)] for count, end in ((columns, 180), (rows, 90)))
    return {"type": "heatmap", "x": x, "y": y, "showscale": False}


def _outline(kind: Kind) -> dict[str, Any]:
    x, y = ([None if np.isnan(value) else value for value in axis.tolist()] for axis in kind.outline)
    line = {"color": series(1), "width": 2}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip"}


def _straight(place: tuple[float, float]) -> dict[str, Any]:
    marker = {"color": "var(--text)", "size": 9, "symbol": "cross-thin-open", "line": {"width": 2}}
    x, y = ([round(angle, 1)] for angle in place)
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker, "hoverinfo": "skip"}
