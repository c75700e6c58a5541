"""A whole report: from a data set of results to what the page shows, and to tables for a paper."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poseplug.core.errors import PoseplugError
from poseplug.registry.reports import contents, figures
from poseplug.registry.reports.examples import Examples
from poseplug.registry.reports.headline import headline
from poseplug.registry.reports.page import Page, Section
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.tables import Table

if TYPE_CHECKING:
    import xarray

# Curves and breakdowns are of so many rows: more lines in a picture are told apart by nobody.
_COMPARED = 5
_SHOWN_EVALUATIONS = 3


def tables(question: Question) -> list[Table]:
    """Return the tables of a report for a paper: results, differences from the baseline, main effects."""
    found = [contents.results_table(question), contents.differences_table(question), contents.effects_table(question)]
    return [table for table in found if table.rows]


def make_page(question: Question, examples: Callable[[], Examples] | None = None) -> Page:
    """Return the page of a report.

    Args:
        question: what it answers.
        examples: finds the cases of the 3D view; what it raises is told on the page, which goes without. None: no view.
    """
    found, said = _examples(examples)
    sections = [
        _results(question),
        _differences(question),
        _effects(question),
        _training(question),
        *(_breakdown(question, by) for by in ("action", "joint")),
        Section(name="examples", title="Example predictions", text=said, viewer=found is not None),
        _failures(question),
    ]
    results = question.rows.results
    return Page(
        title=str(results.attrs.get("name") or "Results"),
        made=_made(results),
        headline=headline(question),
        sections=[section for section in sections if section is not None],
        examples=found,
        configuration=_configuration(results),
    )


def _compared(question: Question) -> list[int]:
    """Return the rows that curves and breakdowns show: the best ones, and the baseline."""
    best = [row for row in question.ranked if row != question.baseline]
    rest = [question.baseline] if question.baseline in question.ranked else []
    return [*best[: _COMPARED - len(rest)], *rest]


def _results(question: Question) -> Section:
    every = range(len(question.rows.evaluations))
    return Section(
        name="results",
        title="Results",
        text=["The best of many rows is chosen by the very figures it is shown by, which flatters it."]
        * (len(question.ranked) > 2),
        figures=[figures.results_figure(question)] if len(question.ranked) > 1 else [],
        tables=[contents.results_table(question)],
        folded=[contents.metrics_table(question, evaluation) for evaluation in every],
    )


def _differences(question: Question) -> Section | None:
    table = contents.differences_table(question)
    if not table.rows:
        return None
    figure = figures.differences_figure(question)
    return Section(
        name="differences",
        title="Against the baseline",
        text=[f"The baseline is {question.rows.name(question.baseline)}."],
        figures=[figure] if figure else [],
        tables=[table],
    )


def _effects(question: Question) -> Section | None:
    table = contents.effects_table(question)
    if not table.rows:
        return None
    drawn = [figures.effects_figure(question), *figures.number_figures(question), figures.pair_figure(question)]
    return Section(
        name="effects", title="What each factor does", figures=[f for f in drawn if f is not None], tables=[table]
    )


def _training(question: Question) -> Section:
    shown = _compared(question)
    drawn = figures.curve_figures(question, shown)
    if not drawn:
        said = "No run's history.nc is where the results say, so there are no curves."
    else:
        said = f"Mean over seeds; bands: one standard deviation. {_which(question, shown)}"
    return Section(name="training", title="Training", text=[said.strip()], figures=drawn)


def _breakdown(question: Question, by: str) -> Section | None:
    evaluations = range(len(question.rows.evaluations))[:_SHOWN_EVALUATIONS]
    pair = [question.ranked[0], *[question.baseline] * (question.baseline != question.ranked[0])]
    drawn = [figures.breakdown_figure(question, by, evaluation, pair) for evaluation in evaluations]
    kept = [figure for figure in drawn if figure is not None]
    if not kept:
        return None
    first, *others = kept
    shown = _compared(question)
    found = [contents.breakdown_table(question, by, evaluation, shown) for evaluation in evaluations]
    more = len(question.rows.evaluations) - len(evaluations)
    text = ["The best row and the baseline; whiskers: standard deviation over seeds."]
    text += [f"Of {len(question.rows.evaluations)} evaluations the first {len(evaluations)}."] * (more > 0)
    return Section(
        name=f"{by}s",
        title=f"Per {by}",
        text=text,
        figures=[first],
        folded_figures=others,
        folded=[table for table in found if table is not None],
    )


def _examples(find: Callable[[], Examples] | None) -> tuple[Examples | None, Sequence[str]]:
    if find is None:
        return None, ["Left out, as was asked for."]
    try:
        found = find()
    except PoseplugError as error:
        return None, [f"Left out: {error}"]
    looked = ", ".join(f"{count} poses of {label}" for label, count in found.looked_at.items())
    return found, [
        f"Worst and best cases of {found.models[0]} (seed {found.seed}), by mean error of joints under the protocol, "
        f"among {looked}. Each action is shown once. Drag to turn, pinch or scroll to zoom; squares of the floor are "
        "half a metre."
    ]


def _failures(question: Question) -> Section | None:
    table = contents.without_result(question)
    if table is None:
        return None
    return Section(name="without-result", title="What has no result", tables=[table])


def _which(question: Question, shown: Sequence[int]) -> str:
    total = len(question.ranked)
    return "" if len(shown) == total else f"The best {len(shown) - 1} of {total} rows, and the baseline."


def _made(results: xarray.Dataset) -> str:
    version, created = results.attrs.get("poseplug", ""), str(results.attrs.get("created", ""))
    moment = created.replace("T", " ").replace("+00:00", " UTC")
    return " · ".join(filter(None, [moment, f"poseplug {version}" if version else ""]))


def _configuration(results: xarray.Dataset) -> dict[str, str]:
    protocols = dict(zip(map(str, results["evaluation"].values), results["protocol"].values, strict=True))
    named = {f"protocol of {name}": text for name, text in protocols.items()}
    kept = {name: text for name, text in results.attrs.items() if name not in ("name", "created", "poseplug")}
    return {name: _pretty(str(text)) for name, text in {**named, **kept}.items()}


def _pretty(text: str) -> str:
    """Return JSON with a line for each entry, and other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
