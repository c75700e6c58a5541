"""The question a report answers: which metric of which rows, against what; and which rows it has room to show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.registry.reports.rows import Rows, lower_is_better, unit
from poseplug.registry.reports.statistics import Difference, Spread, main_effects, paired

# Above so many rows, tables show the best and the worst; a page of thousands is read by nobody.
ALL_ROWS, BEST_ROWS, WORST_ROWS = 48, 24, 8


@attrs.frozen(eq=False, slots=False)
class Question:
    """What is asked of a data set of results.

    Attributes:
        rows: its rows.
        metric: what is compared.
        baseline: the row that others are compared with.
        evaluation: the one that orders rows where only one can: by number.
    """

    rows: Rows
    metric: str
    baseline: int
    evaluation: int = 0

    @classmethod
    def of(cls, rows: Rows, metric: str = "", baseline: str = "") -> Question:
        """Ask for a metric, by default the first, against a baseline, by default the first row that has it.

        Raises:
            PoseplugError: nothing has results yet, or there is no such metric or row.
        """
        if not rows.metrics or not rows.evaluations or not np.isfinite(rows.value).any():
            raise PoseplugError("Nothing here has results yet: no cell or run is finished.")
        metric = metric or next((name for name in rows.metrics if rows.headings[name]), rows.metrics[0])
        n = rows.spread(metric).n
        if not n.any():
            raise PoseplugError(f"No cell or run has metric '{metric}'.")
        first = int(n.any(1).argmax())
        return cls(rows, metric, rows.baseline(baseline) if baseline else first, int(n.any(0).argmax()))

    @property
    def heading(self) -> str:
        """The metric as tables call it."""
        return self.rows.headings[self.metric] or self.metric

    @property
    def unit(self) -> str:
        return unit(self.metric)

    @property
    def better(self) -> str:
        """Which way is better, in a word."""
        return "lower" if lower_is_better(self.metric) else "higher"

    @cached_property
    def spread(self) -> Spread:
        """Means over seeds, [R, E]."""
        return self.rows.spread(self.metric)

    @cached_property
    def ranked(self) -> list[int]:
        """The rows with results in the evaluation that orders, the best first."""
        return self.rows.ranked(self.metric, self.evaluation)

    @cached_property
    def shown(self) -> list[int]:
        """The rows that tables have room for: all in the order of the grid, or the best and the worst."""
        with_results = [int(row) for row in np.flatnonzero(self.spread.n.any(1))]
        if len(with_results) <= ALL_ROWS:
            return with_results
        return self.extremes(BEST_ROWS, WORST_ROWS)

    def extremes(self, best: int, worst: int) -> list[int]:
        """Return so many of the best rows and of the worst, by rank, the baseline always among them."""
        if len(self.ranked) <= best + worst:
            return self.ranked
        kept = {*self.ranked[:best], *self.ranked[len(self.ranked) - worst :], self.baseline}
        return [row for row in self.ranked if row in kept]

    @property
    def left_out(self) -> list[str]:
        """A sentence on the rows that are not shown, if there are any."""
        total = int(self.spread.n.any(1).sum())
        if total == len(self.shown):
            return []
        where = self.rows.evaluations[self.evaluation]
        return [
            f"Of {total} rows the best {BEST_ROWS} and the worst {WORST_ROWS} by {self.heading} on {where} are shown, "
            f"and the baseline; {total - len(self.shown)} are left out. Every row is in the data set."
        ]

    @cached_property
    def against_baseline(self) -> Difference:
        """How every row differs from the baseline, paired by seed, [R, E]."""
        values = np.moveaxis(self.rows.value[..., self.rows.metric(self.metric)], 1, -1)
        return paired(values, values[self.baseline])

    def effects(self, factor: str) -> tuple[list[Difference], list[Sequence[int]], int]:
        """Return what a factor's levels do beside the baseline's level.

        Returns:
            For each evaluation the effects of the levels and of how many pairs they are; the baseline's level.
        """
        place = self.rows.factors.index(factor)
        shape = [len(self.rows.levels[name]) for name in self.rows.factors]
        values = self.rows.value[..., self.rows.metric(self.metric)]
        cube = np.moveaxis(values.reshape(*shape, *values.shape[1:]), place, 0)
        cube = cube.reshape(shape[place], -1, *values.shape[1:])  # [L, C, S, E]
        reference = int(self.rows.at[self.baseline, place])
        found = [main_effects(cube[..., e], reference) for e in range(cube.shape[-1])]
        return [effect for effect, _ in found], [pairs.tolist() for _, pairs in found], reference

    def size(self, factor: str) -> float:
        """Return how far apart a factor's levels are in the evaluation that orders; NaN where they cannot be paired."""
        mean = self.effects(factor)[0][self.evaluation].mean
        seen = mean[np.isfinite(mean)]
        return float(seen.max() - seen.min()) if len(seen) > 1 else float("nan")

    @cached_property
    def factors_by_size(self) -> list[str]:
        """The factors that do something measurable, the largest first; none where there is but one factor."""
        if len(self.rows.varied) < 2:
            return []
        sizes = {factor: self.size(factor) for factor in self.rows.varied}
        return sorted((f for f, size in sizes.items() if np.isfinite(size)), key=lambda f: -sizes[f])
