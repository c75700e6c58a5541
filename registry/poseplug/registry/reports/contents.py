"""The tables of a report: results, differences from the baseline, main effects, and what has no result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from poseplug.core.evaluation.protocol import matching_in_words
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.rows import lower_is_better, unit
from poseplug.registry.reports.statistics import Difference, Spread, over_seeds
from poseplug.registry.reports.tables import Cell, Number, Table

_INTERVALS = "Brackets: 95 % confidence interval of the mean difference, Student's t over seeds"
_TOO_FEW = "A confidence interval needs at least two seeds of both rows, and none has them."


def results_table(question: Question) -> Table:
    """Return the metric of every row that is shown, a column for each evaluation."""
    rows, spread = question.rows, question.spread
    columns = [*rows.varied, *(f"{name}, {question.unit}" for name in rows.evaluations)]
    numbers = _numbers(spread, question.shown, lower=lower_is_better(question.metric))
    beside: dict[int, list[Number]] = {row: [] for row in question.shown}
    for further in rows.with_recall([question.metric])[1:]:
        columns += [f"{name}, {_heading(question, further)}" for name in rows.evaluations]
        beside = _numbers(rows.spread(further), question.shown, lower=lower_is_better(further))
    columns.append("seeds")
    lines: list[list[Cell]] = [
        [*_levels(question, row), *numbers[row], *beside[row], int(spread.n[row].max())] for row in question.shown
    ]
    title = f"{question.heading}, {question.unit}, {question.better} is better: {_of_seeds(question)}"
    return Table(title, columns, lines, [*protocol_notes(question), *question.left_out])


def metrics_table(question: Question, evaluation: int, metrics: Sequence[str] = (), *, cut: bool = True) -> Table:
    """Return metrics of rows in one evaluation.

    Args:
        question: what is asked.
        evaluation: by number.
        metrics: which ones; none means all that have a heading.
        cut: whether rows may be left out where there are very many.
    """
    rows, shown = question.rows, _shown(question, cut)
    wanted = metrics or [m for m in rows.metrics if rows.headings[m]]
    spreads = {name: rows.spread(name) for name in rows.with_recall(wanted)}
    spreads = {name: spread for name, spread in spreads.items() if spread.n[:, evaluation].any()}
    shown = [row for row in shown if any(spread.n[row, evaluation] for spread in spreads.values())]
    numbers = {name: _numbers(spread, shown, lower=lower_is_better(name)) for name, spread in spreads.items()}
    counts = rows.of_variable("poses")[:, :, evaluation].astype(float)
    poses = np.where(np.isfinite(counts), counts, 0).max(1)
    time = over_seeds(rows.of_variable("seconds").astype(float))
    lines: list[list[Cell]] = [
        [
            *_levels(question, row),
            *(numbers[name][row][evaluation] for name in spreads),
            max((int(spread.n[row, evaluation]) for spread in spreads.values()), default=0),
            int(poses[row]),
            Number(float(time.mean[row]), n=int(time.n[row])),
        ]
        for row in shown
    ]
    columns = [*rows.varied, *(_heading(question, name) for name in spreads), "seeds", "poses", "time, s"]
    title = f"{rows.evaluations[evaluation]}, all metrics" if not metrics else rows.evaluations[evaluation]
    notes = [*protocol_notes(question, [evaluation]), *(question.left_out if cut else [])]
    return Table(f"{title}: {_of_seeds(question)}", columns, lines, notes)


def wide_table(question: Question, evaluations: Sequence[int], metrics: Sequence[str] = ()) -> Table:
    """Return every row with a column for each evaluation and metric, for programs to read."""
    rows, shown = question.rows, _shown(question, cut=False)
    names = rows.with_recall(metrics or rows.metrics)
    spreads = {(e, name): rows.spread(name) for e in evaluations for name in names}
    spreads = {key: spread for key, spread in spreads.items() if spread.n[:, key[0]].any()}
    lines: list[list[Cell]] = []
    for row in shown:
        cells = [
            Number(float(spread.mean[row, e]), float(spread.sd[row, e]), n=int(spread.n[row, e]))
            for (e, _), spread in spreads.items()
        ]
        lines.append([*_levels(question, row), *cells])
    columns = [*rows.varied, *(f"{rows.evaluations[e]} {name}" for e, name in spreads)]
    return Table("results", columns, lines)


def differences_table(question: Question, evaluations: Sequence[int] = (), *, cut: bool = True) -> Table:
    """Return how rows differ from the baseline, paired by seed, a column for each evaluation (none means all)."""
    rows, difference = question.rows, question.against_baseline
    places, most = evaluations or range(len(rows.evaluations)), difference.n.max(0)
    lines: list[list[Cell]] = []
    for row in _shown(question, cut):
        if row == question.baseline:
            continue
        cells = [difference_number(difference, (row, e), int(most[e])) for e in places]
        lines.append([*_levels(question, row), *cells, int(difference.n[row].max())])
    columns = [*rows.varied, *(f"{rows.evaluations[e]}, {question.unit}" for e in places), "pairs"]
    title = f"{question.heading}, {question.unit}: difference from {rows.name(question.baseline)}, paired by seed"
    return Table(title, columns, lines, [*interval_notes(question), *(question.left_out if cut else [])])


def _shown(question: Question, cut: bool) -> list[int]:
    return question.shown if cut else [int(row) for row in np.flatnonzero(question.spread.n.any(1))]


def _heading(question: Question, metric: str) -> str:
    return f"{question.rows.headings[metric] or metric}, {unit(metric)}"


def interval_notes(question: Question) -> list[str]:
    """Return what has to be said of the intervals."""
    sign = "Less is better." if lower_is_better(question.metric) else "More is better."
    if (question.against_baseline.n[np.arange(len(question.rows)) != question.baseline] < 2).all():
        return [sign, _TOO_FEW]
    wide = " With two seeds it is wide: t is 12.7." if len(question.rows.seeds) == 2 else ""
    return [sign, f"{_INTERVALS}; only seeds that both rows have; not corrected for the number of rows.{wide}"]


def effects_table(question: Question) -> Table:
    """Return what each level of each factor does, all else being equal, a column for each evaluation."""
    rows = question.rows
    lines: list[list[Cell]] = []
    for factor in question.factors_by_size:
        effects, pairs, reference = question.effects(factor)
        most = [int(np.delete(effect.n, reference).max()) for effect in effects]
        for level, label in enumerate(rows.levels[factor]):
            if level != reference and pairs[question.evaluation][level]:
                cells = [difference_number(effect, level, m) for effect, m in zip(effects, most, strict=True)]
                lines.append([factor, label, rows.levels[factor][reference], *cells, pairs[question.evaluation][level]])
    columns = ["factor", "level", "instead of", *(f"{name}, {question.unit}" for name in rows.evaluations), "pairs"]
    title = f"Main effects on {question.heading}, {question.unit}"
    note = (
        "The mean change where only this factor goes from the baseline's level to this one, over all pairs of cells "
        "that differ in nothing else and of the same seed. Brackets: 95 % confidence interval over seeds."
    )
    return Table(title, columns, lines, [note, *([_TOO_FEW] if len(rows.seeds) < 2 else [])])


def breakdown_table(question: Question, by: str, evaluation: int, shown: Sequence[int]) -> Table | None:
    """Return the metric of some rows per action or per joint in one evaluation; None where it was not measured so.

    Args:
        question: what is asked.
        by: "action" or "joint".
        evaluation: by number.
        shown: the rows, which become columns.
    """
    found = breakdown(question, by, evaluation, shown)
    if found is None:
        return None
    names, spread = found
    lines: list[list[Cell]] = [
        [
            name,
            *(
                Number(float(spread.mean[r, i]), float(spread.sd[r, i]), n=int(spread.n[r, i]))
                for r in range(len(shown))
            ),
        ]
        for i, name in enumerate(names)
    ]
    where = question.rows.evaluations[evaluation]
    title = f"All rows that are compared, {question.heading} per {by} on {where}, {question.unit}"
    return Table(title, [by, *map(question.rows.name, shown)], lines)


def breakdown(question: Question, by: str, evaluation: int, shown: Sequence[int]) -> tuple[list[str], Spread] | None:
    """Return names, and means over seeds [rows, names] of the metric per action or per joint; None where none are."""
    rows, variable = question.rows, f"{by}_value"
    if variable not in rows.results or question.metric not in rows.metrics:
        return None
    values = rows.of_variable(variable)[list(shown)][:, :, evaluation, :, rows.metric(question.metric)]
    spread = over_seeds(np.moveaxis(values.astype(float), 1, -1))
    kept = np.flatnonzero(spread.n.any(0))
    if not len(kept):
        return None
    names = [str(rows.results[by].values[i]) for i in kept]
    return names, Spread(spread.mean[:, kept], spread.sd[:, kept], spread.n[:, kept])


def without_result(question: Question) -> Table | None:
    """Return what failed, could not be, or is missing, and why; None where every cell is done."""
    rows = question.rows
    states, reasons = rows.state, rows.of_variable("reason").astype(str)
    places = np.argwhere((states != "done") & (states != "excluded"))
    cells: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, seed in places:
        cells.setdefault((states[row, seed], reasons[row, seed]), []).append((int(row), int(seed)))
    order = sorted(cells, key=lambda key: (_STATES.index(key[0]), -len(cells[key])))
    if not order:
        return None
    lines: list[list[Cell]] = []
    for state, reason in order[:_REASONS]:
        found = cells[state, reason]
        named = list(dict.fromkeys(_cell_name(question, *cell) for cell in found))
        examples = "; ".join(named[:_CELLS]) + (f"; and {len(named) - _CELLS} more" if len(named) > _CELLS else "")
        lines.append([state, len(found), reason or "not run yet", examples])
    notes = [f"{len(order) - _REASONS} further reasons are left out."] if len(order) > _REASONS else []
    return Table("Cells without a result", ["state", "cells", "why", "which"], lines, notes)


_STATES = ("done", "failed", "impossible", "missing")
_REASONS, _CELLS = 20, 4


def _cell_name(question: Question, row: int, seed: int) -> str:
    states = question.rows.state[row]
    alone = (states == states[seed]).all()
    return question.rows.name(row) + ("" if alone else f", seed {question.rows.seeds[seed]}")


def state_counts(question: Question) -> dict[str, int]:
    """Return how many cells are in each state, those that are left out on purpose not counted."""
    counts = Counter(question.rows.state.flat)
    return {state: counts[state] for state in _STATES if counts[state]}


def protocol_notes(question: Question, evaluations: Sequence[int] | None = None) -> list[str]:
    """Return a sentence for each protocol: which evaluations were measured by it, and what it is."""
    rows = question.rows
    texts = list(map(str, rows.results["protocol"].values))
    by_protocol: dict[str, list[str]] = {}
    for e in range(len(texts)) if evaluations is None else evaluations:
        by_protocol.setdefault(texts[e], []).append(rows.evaluations[e])
    notes = []
    for text, names in by_protocol.items():
        facts = json.loads(text)
        root = {"counted": "root counted", "excluded": "root left out", "unaligned": "root counted, not aligned"}
        said = [f"{facts['joints']} joints", root.get(facts["root"], facts["root"])]
        said += [f"Procrustes by {', '.join(facts['alignment'])}", f"mean over {facts['average']}"]
        said += ["averaged with the mirrored pose"] * bool(facts.get("flip"))
        said += [matching_in_words(facts)] if "match_radius_mm" in facts else []
        which = f" ({', '.join(names)})" if len(by_protocol) > 1 else ""
        notes.append(f"Protocol {facts['name']}{which}: {', '.join(said)}.")
    return notes


def _of_seeds(question: Question) -> str:
    return "mean ± standard deviation over seeds" if len(question.rows.seeds) > 1 else "one seed"


def _levels(question: Question, row: int) -> list[str]:
    return [question.rows.level(row, factor) for factor in question.rows.varied]


def _numbers(spread: Spread, shown: Sequence[int], *, lower: bool) -> dict[int, list[Number]]:
    """Return the figures of rows by evaluation, the best of each evaluation, of all rows, marked as the best."""
    means = np.where(np.isfinite(spread.mean), spread.mean if lower else -spread.mean, np.inf)
    best, most = means.min(0), spread.n.max(0)
    several = np.isfinite(means).sum(0) > 1
    return {
        r: [
            Number(
                float(spread.mean[r, e]),
                float(spread.sd[r, e]),
                n=int(spread.n[r, e]),
                fewer=bool(0 < spread.n[r, e] < most[e]),
                best=bool(several[e] and np.isfinite(best[e]) and means[r, e] == best[e]),
            )
            for e in range(spread.mean.shape[1])
        ]
        for r in shown
    }


def difference_number(difference: Difference, place: tuple[int, int] | int, most: int) -> Number:
    """Return a difference as a figure with its interval; it has fewer seeds where it has not as many as ``most``."""
    n = int(difference.n[place])
    interval = float(difference.low[place]), float(difference.high[place])
    return Number(float(difference.mean[place]), interval=interval, n=n, fewer=0 < n < most)
