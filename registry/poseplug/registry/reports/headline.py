"""What there is to know first of a report: the best rows, the factor that matters most, how much is done."""

from __future__ import annotations

import attrs
import numpy as np

from poseplug.registry.reports.contents import difference_number, state_counts
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.tables import Number, figure


@attrs.frozen
class Fact:
    """What there is to know first.

    Attributes:
        what: what it is about.
        figure: the fact.
        said: what belongs to it.
    """

    what: str
    figure: str
    said: str


def headline(question: Question) -> list[Fact]:
    """Return what there is to know first."""
    rows, spread = question.rows, question.spread
    facts = []
    for e, evaluation in enumerate(rows.evaluations):
        order = rows.ranked(question.metric, e)
        if order:
            best = order[0]
            number = Number(float(spread.mean[best, e]), float(spread.sd[best, e]))
            said = f"{rows.name(best)}{_seeds(int(spread.n[best, e]))}{_from_baseline(question, best, e)}"
            facts.append(Fact(f"Best {question.heading} on {evaluation}", f"{number.text} {question.unit}", said))
    for factor in question.factors_by_size[:1]:
        size = f"up to {figure(question.size(factor))} {question.unit} between its levels"
        where = f"on {rows.evaluations[question.evaluation]}, all else equal"
        facts.append(Fact("Factor that matters most", factor, f"{size} {where}"))
    counts = state_counts(question)
    others = [f"{number} {state}" for state, number in counts.items() if state != "done"]
    seconds = float(np.nansum(rows.of_variable("seconds").astype(float)))
    said = "; ".join(
        [", ".join(others), f"{duration(seconds)} of computing"] if others else [f"{duration(seconds)} of computing"]
    )
    facts.append(Fact("Cells", f"{counts.get('done', 0)} of {sum(counts.values())} done", said))
    return facts


def _seeds(n: int) -> str:
    return f" ({n} seed{'s' if n > 1 else ''})"


def _from_baseline(question: Question, row: int, evaluation: int) -> str:
    if row == question.baseline:
        return "; it is the baseline"
    difference, before = question.against_baseline, float(question.spread.mean[question.baseline, evaluation])
    if not difference.n[row, evaluation]:
        return ""
    change = difference_number(difference, (row, evaluation), 0)
    share = f" ({figure(100 * change.value / before, signed=True)} %)" if before else ""
    return f"; {change.text} {question.unit}{share} from {question.rows.name(question.baseline)}"


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
