"""The page of a data set: one HTML file, made like that of a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from poseplug.registry.datasets.direction_figures import direction_figures
from poseplug.registry.datasets.inspect import Inspection
from poseplug.registry.datasets.scenes.figures import scene_figures
from poseplug.registry.datasets.scenes.shown import COLUMNS
from poseplug.registry.datasets.shown import Distribution, PoseGrid, Shown
from poseplug.registry.reports.figures import Figure, series
from poseplug.registry.reports.headline import Fact
from poseplug.registry.reports.page import Page, Section, html
from poseplug.registry.reports.tables import Table

_COLOURS = {"right": "var(--series-2)", "left": "var(--series-1)", "": "var(--text)"}
_BARS = 40


def data_page(shown: Shown, inspection: Inspection) -> str:
    """Return the page.

    Raises:
        PoseplugError: plotly or jinja2 is not installed.
    """
    facts = inspection.facts
    wrong = [f"{number}. {said}" for number, said in enumerate(inspection.problems, 1)]
    rows = [list(line) for line in inspection.lines()]
    sections = [
        Section(
            name="wrong",
            title="What looks wrong",
            text=wrong or ["Nothing."],
            tables=[Table(title="What there is", columns=["what", "found"], rows=rows)],
        )
    ]
    if shown.poses is not None:
        sections.append(Section(name="poses", title="Poses", figures=[_poses(shown.poses)]))
    numbers = [*([_places(shown)] if shown.cameras is not None else []), *map(_histogram, shown.distributions)]
    if numbers:
        sections.append(Section(name="numbers", title="Cameras and people", figures=numbers))
    if shown.bones is not None:
        sections.append(Section(name="bones", title="Bones", figures=[_bones(*shown.bones)]))
    if (held := shown.directions) is not None:
        table = Table(title="Allowed and covered", columns=[*held.columns], rows=[[*line] for line in held.lines()])
        figures = direction_figures(held)
        sections.append(Section(name="directions", title="Directions of limbs", figures=figures, tables=[table]))
    if shown.scenes is not None:
        tables = [
            Table(title="How far off the run is", columns=[*COLUMNS], rows=[[*line] for line in shown.scenes.lines()])
        ]
        figures = [*scene_figures(shown.scenes)]
        sections.append(
            Section(name="scenes", title="Scenes", figures=figures, tables=tables[: bool(shown.scenes.model)])
        )
    total = "without end" if facts["poses"] is None else str(facts["poses"])
    return html(
        Page(
            title=shown.said,
            made="",
            headline=[
                Fact("poses", total, f"{facts['looked_at']} were looked at"),
                Fact("joints", str(len(facts["joints"])), facts["skeleton"]),
                Fact("cameras", str(facts["cameras"]["distinct"]), f"{facts['cameras']['intrinsics']} intrinsics"),
            ],
            sections=sections,
            examples=None,
            configuration={"everything that was measured": json.dumps(facts, indent=2)},
        )
    )


def _poses(grid: PoseGrid) -> Figure:
    lines: dict[str, tuple[list[float | None], list[float | None]]] = {side: ([], []) for side in _COLOURS}
    titles = []
    width, height = (2.15 * half for half in grid.half)
    for number, joints in enumerate(grid.joints):
        right, down = (number % grid.columns) * width, (number // grid.columns) * height * 1.08
        for (parent, child), side in zip(grid.skeleton.bones, grid.skeleton.bone_sides, strict=True):
            for values, axis, start in zip(lines[side], (0, 1), (right, down), strict=True):
                values += [round(float(joints[parent, axis]) + start, 3), round(float(joints[child, axis]) + start, 3)]
                values.append(None)
        titles.append(
            {
                "x": right,
                "y": down - grid.half[1],
                "text": grid.titles[number],
                "showarrow": False,
                "font": {"size": 10},
            }
        )
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": side or "middle",
            "x": xs,
            "y": ys,
            "line": {"color": _COLOURS[side], "width": 2.5},
            "hoverinfo": "skip",
        }
        for side, (xs, ys) in lines.items()
        if xs
    ]
    none = {"showgrid": False, "zeroline": False, "showticklabels": False}
    layout = {
        "xaxis": none,
        "yaxis": {**none, "autorange": "reversed", "scaleanchor": "x"},
        "annotations": titles,
        "height": 80 + 165 * grid.rows,
    }
    return Figure(
        "poses", "Poses as cameras see them, without perspective", "Left and right are the person's.", data, layout
    )


def _places(shown: Shown) -> Figure:
    def dots(name: str, places: Any, size: int, number: int) -> dict[str, Any]:
        x, _, z = (np.round(axis, 3).tolist() for axis in places.T)
        marker = {"color": series(number), "size": size}
        return {"type": "scatter", "mode": "markers", "name": name, "x": x, "y": [-v for v in z], "marker": marker}

    data = [dots("people", shown.people, 3, 0), dots("cameras", shown.cameras, 7, 1)]
    layout = {
        "xaxis": {"title": {"text": "x, m"}},
        "yaxis": {"title": {"text": "-z, m"}, "scaleanchor": "x"},
        "height": 460,
    }
    return Figure("places", "Where cameras and people are, from above", "", data, layout)


def _histogram(distribution: Distribution) -> Figure:
    counts, edges = np.histogram(distribution.values, _BARS)
    middles = (edges[1:] + edges[:-1]) / 2
    bars = {
        "type": "bar",
        "x": np.round(middles, 5).tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": series(0)},
    }
    layout = {"xaxis": {"title": {"text": distribution.title}}, "yaxis": {"showticklabels": False}, "height": 260}
    layout["showlegend"] = False
    name = distribution.title.partition(",")[0].replace(" ", "-")
    return Figure(name, distribution.title[0].upper() + distribution.title[1:], "", [bars], layout)


def _bones(names: Sequence[str], shares: Any) -> Figure:
    step = 180 / shares.shape[1]
    data = {
        "type": "heatmap",
        "x": [round((i + 0.5) * step, 2) for i in range(shares.shape[1])],
        "y": list(names),
        "z": np.round(shares, 5).tolist(),
        "colorscale": [[0, "var(--background)"], [1, "var(--series-1)"]],
        "showscale": False,
        "hovertemplate": "%{y}: %{z:.1%} at %{x} degrees<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "degrees to the vertical: 0 hangs down, 180 points up"}, "showgrid": False},
        "yaxis": {"autorange": "reversed", "showgrid": False},
        "height": 120 + 22 * len(names),
    }
    return Figure("bones", "How often bones are at an angle", "", [data], layout)
