"""The figures of the page, as plotly reads them: plain dictionaries.

Colours are names of the page's style sheet, ``var(--...)``, which the page looks up for the theme it is seen in. Names
of rows stand in ``ticktext``, where the page breaks them into lines that fit its width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from poseplug.registry.reports.contents import breakdown
from poseplug.registry.reports.histories import Curve, curves
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.statistics import Array

Traces = list[dict[str, Any]]
_BEST, _WORST = 14, 6
_SERIES, _HEAT = 6, 12


@attrs.frozen
class Figure:
    """A picture.

    Attributes:
        name: its id on the page.
        title: what it shows, with the unit.
        note: what has to be known to read it; may be "".
        data, layout: for plotly.
    """

    name: str
    title: str
    note: str
    data: Traces
    layout: Mapping[str, Any]


def series(number: int) -> str:
    """Return the colour of a series."""
    return f"var(--series-{number % _SERIES + 1})"


def results_figure(question: Question) -> Figure:
    """Return means and standard deviations of rows, a series for each evaluation."""
    shown = _ranked_or_all(question)
    spread, several = question.spread, len(question.rows.seeds) > 1
    names = question.rows.evaluations
    data = [
        _dots(name, spread.mean[shown, e], _nothing(spread.sd[shown, e]) if several else None, e, len(names))
        for e, name in enumerate(names)
    ]
    note = "Whiskers: standard deviation over seeds." if several else ""
    title = f"{question.heading}, {question.unit} ({question.better} is better)"
    return _over_rows("results", title, f"{note} {_cut(question)}".strip(), data, question, shown)


def differences_figure(question: Question) -> Figure | None:
    """Return differences from the baseline with their intervals; None where there is nothing to compare."""
    shown = [row for row in _ranked_or_all(question) if row != question.baseline]
    difference = question.against_baseline
    if not shown or not difference.n[shown].any():
        return None
    half = difference.high - difference.mean
    names = question.rows.evaluations
    data = [
        _dots(name, difference.mean[shown, e], _nothing(half[shown, e]), e, len(names)) for e, name in enumerate(names)
    ]
    title = f"Difference from {question.rows.name(question.baseline)}, {question.unit}"
    note = f"Whiskers: 95 % confidence interval over seeds. {_cut(question)}".strip()
    figure = _over_rows("differences", title, note, data, question, shown)
    return attrs.evolve(figure, layout={**figure.layout, "shapes": [_zero_line()]})


def effects_figure(question: Question) -> Figure | None:
    """Return main effects in the evaluation that orders rows; None where there are none."""
    labels, means, halves = [], [], []
    for factor in reversed(question.factors_by_size):
        effects, _, reference = question.effects(factor)
        effect = effects[question.evaluation]
        order = [i for i in range(len(effect.mean)) if i != reference and np.isfinite(effect.mean[i])]
        for level in sorted(order, key=lambda i: effect.mean[i])[:_HEAT]:
            labels.append(f"{factor}: {question.rows.levels[factor][level]}")
            means.append(effect.mean[level])
            halves.append(effect.high[level] - effect.mean[level])
    if not labels:
        return None
    data = [_dots("", np.array(means), _nothing(np.array(halves)), 0)]
    layout = {**_rows_layout(labels), "shapes": [_zero_line()], "showlegend": False}
    where = question.rows.evaluations[question.evaluation]
    title = f"Main effects on {question.heading} on {where}, {question.unit}"
    return Figure(
        "effects", title, "Change from the baseline's level. Whiskers: 95 % interval over seeds.", data, layout
    )


def number_figures(question: Question) -> list[Figure]:
    """Return, for each factor of numbers, the metric's change along it."""
    figures = []
    for factor in question.factors_by_size:
        kind = question.rows.results[factor].dtype.kind
        at = question.rows.results[factor].values
        if kind not in "iuf" or len(at) < 3:
            continue
        effects, _, reference = question.effects(factor)
        at, order = at.astype(float), np.argsort(at)
        data: Traces = []
        for e, (name, effect) in enumerate(zip(question.rows.evaluations, effects, strict=True)):
            low, high = effect.low[order], effect.high[order]
            data += _band(at[order], effect.mean[order], low, high, name, series(e))
        spread_out = at.min() > 0 and at.max() / at.min() >= 8
        layout = {
            "xaxis": {"title": {"text": factor}, "type": "log" if spread_out else "linear", "tickvals": at.tolist()},
            "yaxis": {"title": {"text": question.unit}},
        }
        layout["xaxis"]["ticktext"] = list(question.rows.levels[factor])
        title = f"{question.heading} along {factor}: change from {question.rows.levels[factor][reference]}"
        figures.append(Figure(f"along-{factor}", f"{title}, {question.unit}", "Bands: 95 % interval.", data, layout))
    return figures


def pair_figure(question: Question) -> Figure | None:
    """Return the metric over the two factors that matter most, as a map; None where there is too little to draw one."""
    rows = question.rows
    if len(question.factors_by_size) < 2:
        return None
    across, down = question.factors_by_size[:2]
    a, b = rows.factors.index(across), rows.factors.index(down)
    values = rows.value[:, :, question.evaluation, rows.metric(question.metric)]
    shape = [len(rows.levels[name]) for name in rows.factors]
    cube = np.moveaxis(values.reshape(*shape, -1), (b, a), (0, 1)).reshape(shape[b], shape[a], -1)
    # Levels of which nothing is done take no part; of the rest every combination has to be there.
    seen = np.isfinite(cube)
    downs, acrosses = np.flatnonzero(seen.any((1, 2))), np.flatnonzero(seen.any((0, 2)))
    cube = cube[np.ix_(downs, acrosses)]
    complete = np.isfinite(cube).all((0, 1))
    if not complete.any() or max(cube.shape[:2]) > _HEAT or min(cube.shape[:2]) < 2:
        return None
    mean = cube[..., complete].mean(-1)
    text = [[f"{number:.1f}" for number in line] for line in mean]
    scale = [[0, "var(--heat-low)"], [0.5, "var(--heat-middle)"], [1, "var(--heat-high)"]]
    data = [
        {
            "type": "heatmap",
            "z": mean.tolist(),
            "text": text,
            "texttemplate": "%{text}",
            "hovertemplate": "%{text} " + question.unit + "<extra></extra>",
            "colorscale": scale,
            "showscale": False,
            "xgap": 2,
            "ygap": 2,
        }
    ]
    layout = {
        "xaxis": {
            **_ticks([rows.levels[across][i] for i in acrosses], "tick-narrow"),
            "title": {"text": across},
            "showgrid": False,
        },
        "yaxis": {**_ticks([rows.levels[down][i] for i in downs]), "autorange": "reversed", "showgrid": False},
        "height": 130 + 42 * len(downs),
    }
    title = f"{question.heading} by {down} and {across} on {rows.evaluations[question.evaluation]}, {question.unit}"
    note = f"Means over {complete.sum()} cells each: other factors and seeds of which all combinations are done."
    return Figure("pair", title, note, data, layout)


def curve_figures(question: Question, shown: Sequence[int], at_most: int = 4) -> list[Figure]:
    """Return the losses of rows over steps, a figure for each loss, with bands over seeds."""
    found: dict[str, list[tuple[int, int, Curve]]] = {}
    for colour, row in enumerate(shown):
        for name, curve in curves(question.rows, row).items():
            found.setdefault(name, []).append((colour, row, curve))
    figures = []
    # Losses that all rows have come first; a row's own follow.
    for name in sorted(found, key=lambda name: -len(found[name]))[:at_most]:
        data: Traces = []
        for colour, row, curve in found[name]:
            label, n = question.rows.name(row), curve.n
            label += f" ({n} seeds)" if n > 1 else ""
            data += _band(curve.steps, curve.mean, curve.mean - curve.sd, curve.mean + curve.sd, label, series(colour))
        smallest = min(float(curve.mean.min()) for _, _, curve in found[name])
        largest = max(float(curve.mean.max()) for _, _, curve in found[name])
        log = smallest > 0 and largest / smallest > 20
        layout = {
            "xaxis": {"title": {"text": "step"}},
            "yaxis": {"title": {"text": "loss"}, **({"type": "log", "dtick": 1} if log else {})},
        }
        figures.append(Figure(f"loss-{name}", f"Loss '{name}' in training", "", data, layout))
    return figures


def breakdown_figure(question: Question, by: str, evaluation: int, shown: Sequence[int]) -> Figure | None:
    """Return the metric per action or per joint, a series for each row; None where it was not measured so."""
    found = breakdown(question, by, evaluation, shown)
    if found is None:
        return None
    names, spread = found
    # A joint's neighbours are its body's; actions have no order of their own.
    order = np.argsort(spread.mean[0]) if by == "action" else np.arange(len(names))[::-1]
    data = [
        _dots(question.rows.name(row), spread.mean[i, order], _nothing(spread.sd[i, order]), i, len(shown))
        for i, row in enumerate(shown)
    ]
    layout = _rows_layout([names[i] for i in order], each=20 if len(names) > 12 else 26)
    name = question.rows.evaluations[evaluation]
    title = f"{question.heading} per {by} on {name}, {question.unit}"
    return Figure(f"{by}-{evaluation}", title, "", data, layout)


# ------------------------------------------------------------------ what they are made of


def _ranked_or_all(question: Question) -> list[int]:
    """Return rows from the last to be seen, the worst, to the first: plotly begins at the bottom."""
    return question.extremes(_BEST, _WORST)[::-1]


def _cut(question: Question) -> str:
    more = len(question.ranked) - len(question.extremes(_BEST, _WORST))
    return f"Best {_BEST}, worst {_WORST} and baseline of {len(question.ranked)} rows." if more else ""


def _dots(name: str, means: Array, whiskers: list[float | None] | None, colour: int, of: int = 1) -> dict[str, Any]:
    # Series of one row stand a little apart, the first one uppermost.
    apart = ((of - 1) / 2 - colour) * min(0.2, 0.6 / of)
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": _nothing(means),
        "y": [round(i + apart, 3) for i in range(len(means))],
        "marker": {"color": series(colour), "size": 9, "symbol": ("circle", "diamond", "square")[colour % 3]},
        "hovertemplate": "%{x:.1f}<extra>" + name + "</extra>",
    }
    if whiskers is not None:
        trace["error_x"] = {"type": "data", "array": whiskers, "color": series(colour), "thickness": 1.5, "width": 4}
    return trace


def _nothing(values: Array) -> list[float | None]:
    """Return numbers as JSON has them: null for none; five digits are more than a picture shows."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def _over_rows(name: str, title: str, note: str, data: Traces, question: Question, shown: Sequence[int]) -> Figure:
    several = len(question.rows.evaluations) > 1
    layout = {**_rows_layout([question.rows.name(row) for row in shown]), "showlegend": several}
    return Figure(name, title, note, data, layout)


def _rows_layout(labels: Sequence[str], each: int = 30) -> dict[str, Any]:
    yaxis = {**_ticks(labels), "range": [-0.6, len(labels) - 0.4]}
    return {"yaxis": yaxis, "xaxis": {"zeroline": False}, "height": 110 + each * len(labels)}


def _ticks(labels: Sequence[str], wrapped: str = "tick") -> dict[str, Any]:
    return {"tickvals": list(range(len(labels))), "ticktext": list(labels), "zeroline": False, "wrap": wrapped}


def _zero_line() -> dict[str, Any]:
    line = {"color": "var(--muted)", "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "line": line}


def _band(at: Array, mean: Array, low: Array, high: Array, name: str, colour: str) -> Traces:
    """Return a line, and the band about it where there is one."""
    line = {
        "type": "scatter",
        "mode": "lines" if len(at) > 12 else "lines+markers",
        "name": name,
        "legendgroup": name,
        "x": _nothing(at),
        "y": _nothing(mean),
        "line": {"color": colour, "width": 2},
        "hovertemplate": "%{y:.4g}<extra>" + name + "</extra>",
    }
    seen = np.isfinite(low) & np.isfinite(high)
    if not seen.any():
        return [line]
    x = np.concatenate([at[seen], at[seen][::-1]])
    y = np.concatenate([high[seen], low[seen][::-1]])
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": _nothing(x),
        "y": _nothing(y),
        "fill": "toself",
        "fillcolor": colour.replace(")", "-band)"),
        "line": {"width": 0},
        "legendgroup": name,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return [band, line]
