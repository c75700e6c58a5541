"""Rows: a data set of results with each combination of its factors on one line, its seeds together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.registry.reports.statistics import Array, Spread, over_seeds

if TYPE_CHECKING:
    import xarray

_NOT_FACTORS = ("seed", "evaluation", "metric")
# Where people are searched for; other figures are over those who were found.
RECALL = "recall"
_OVER_ALL = (RECALL, "precision", "ap_root", "pck_abs", "pck_root")
_SEPARATOR = " · "


@attrs.frozen(eq=False, slots=False)
class Rows:
    """The R combinations of factors, in the order of the grid.

    Attributes:
        results: the data set.
        factors: what was varied, and what could have been: all dimensions of results that are none of their own.
        levels: of each factor its levels, as text.
        at: [R, F] for each row its level of each factor, by number.
        value: [R, S, E, M] by seed, evaluation and metric.
    """

    results: xarray.Dataset
    factors: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    at: np.ndarray
    value: Array

    @classmethod
    def of(cls, results: xarray.Dataset) -> Rows:
        """Lay a data set out in rows."""
        factors = tuple(str(name) for name in results["value"].dims if name not in _NOT_FACTORS)
        levels = {name: tuple(map(as_text, results[name].values)) for name in factors}
        shape = [len(levels[name]) for name in factors]
        at = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), 1) if factors else np.zeros((1, 0), int)
        found = cls(results, factors, levels, at, np.empty(0))
        return attrs.evolve(found, value=found.of_variable("value").astype(float))

    def of_variable(self, name: str) -> np.ndarray:
        """Return a variable of the data set with one axis for the rows, [R, S, ...] in the order of its dimensions."""
        variable = self.results[name]
        others = [d for d in ("seed", "evaluation", "action", "joint", "metric") if d in variable.dims]
        values = variable.transpose(*self.factors, *others).values
        return values.reshape(len(self.at), *values.shape[len(self.factors) :])

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        return tuple(int(seed) for seed in self.results["seed"].values)

    @cached_property
    def evaluations(self) -> tuple[str, ...]:
        return tuple(map(str, self.results["evaluation"].values))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        return tuple(map(str, self.results["metric"].values))

    @cached_property
    def headings(self) -> dict[str, str]:
        """How tables call the metrics; "" leaves one out."""
        return dict(zip(self.metrics, map(str, self.results["heading"].values), strict=True))

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The factors that have more than one level; the last where none has."""
        return tuple(name for name in self.factors if len(self.levels[name]) > 1) or self.factors[-1:]

    @cached_property
    def state(self) -> np.ndarray:
        """[R, S] done, failed, impossible, missing or excluded."""
        return self.of_variable("state").astype(str)

    @cached_property
    def folder(self) -> np.ndarray:
        """[R, S] the run directories of cells, "" where there are none."""
        return self.of_variable("folder").astype(str)

    def level(self, row: int, factor: str) -> str:
        """Return a row's level of a factor."""
        return self.levels[factor][int(self.at[row, self.factors.index(factor)])]

    def name(self, row: int) -> str:
        """Return how a row is called: its levels of what is varied. Numbers say of what."""
        levels = [(factor, self.level(row, factor)) for factor in self.varied]
        return _SEPARATOR.join(f"{factor}={level}" if _number(level) else level for factor, level in levels)

    def metric(self, name: str) -> int:
        """Return the place of a metric; raise PoseplugError with the nearest name if there is none."""
        return _place(name, self.metrics, "metric")

    def evaluation(self, name: str) -> int:
        """Return the place of an evaluation; raise PoseplugError with the nearest name if there is none."""
        return _place(name, self.evaluations, "evaluation")

    def spread(self, metric: str) -> Spread:
        """Return means over seeds of a metric, [R, E]."""
        return over_seeds(np.moveaxis(self.value[..., self.metric(metric)], 1, -1))

    def with_recall(self, metrics: Sequence[str]) -> list[str]:
        """Return metrics, and the recall with those that are over the people whom a run has found.

        Finding fewer people makes such errors smaller, so that they say nothing without it.
        """
        said = list(dict.fromkeys(metrics))
        if RECALL not in self.metrics or RECALL in said or all(metric in _OVER_ALL for metric in said):
            return said
        return [*said, RECALL] if self.spread(RECALL).n.any() else said

    def ranked(self, metric: str, evaluation: int) -> list[int]:
        """Return the rows that have a mean of the metric, the best first."""
        means = self.spread(metric).mean[:, evaluation]
        order = np.argsort(means if lower_is_better(metric) else -means, kind="stable")
        return [int(row) for row in order if np.isfinite(means[row])]

    def row_of(self, wanted: Mapping[str, str]) -> int:
        """Return the row with these levels, and of other factors the first.

        Raises:
            PoseplugError: there is no such factor or level.
        """
        at = [0] * len(self.factors)
        for factor, level in wanted.items():
            if factor not in self.factors:
                raise PoseplugError(f"Nothing is varied that is called '{factor}'.{did_you_mean(factor, self.factors)}")
            at[self.factors.index(factor)] = _place(level, self.levels[factor], f"level of '{factor}'")
        return int((self.at == at).all(1).argmax())

    def baseline(self, text: str) -> int:
        """Return the row that ``factor=label,...`` names; "" is the first, and of one factor the label is enough.

        Raises:
            PoseplugError: there is no such row.
        """
        if not text:
            return 0
        names = "|".join(map(re.escape, self.factors))
        if len(self.varied) == 1 and not re.match(rf"\s*(?:{names})=", text):
            return self.row_of({self.varied[0]: text})
        # A label may hold commas and equals signs itself: what separates is a comma before a factor.
        pairs = [pair.strip().partition("=") for pair in re.split(rf",(?=\s*(?:{names})=)", text)]
        if any(not separator for _, separator, _ in pairs):
            known = ",".join(f"{name}={self.levels[name][0]}" for name in self.varied)
            raise PoseplugError(f"'--baseline {text}' names no row; write factor=label,..., for example {known}.")
        return self.row_of({factor: level for factor, _, level in pairs})


def lower_is_better(metric: str) -> bool:
    """Return whether less of a metric is better: of errors in millimetres it is, of shares in per cent it is not."""
    return metric.endswith("_mm")


def unit(metric: str) -> str:
    """Return the unit of a metric."""
    return "mm" if metric.endswith("_mm") else "%"


def as_text(level: Any) -> str:
    """Return a coordinate as it is shown."""
    return f"{level:.10g}" if isinstance(level, float | np.floating) else str(level)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _place(name: str, names: Sequence[str], what: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise PoseplugError(f"There is no {what} '{name}'.{did_you_mean(name, names)}") from None
