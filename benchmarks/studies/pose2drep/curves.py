"""Reads what runs of the study have kept: curves of every metric over epochs and seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import xarray
from rows import folder_of
from stability import Array
from watch import CURVES, ERROR


@attrs.frozen
class Curves:
    """One row's evaluations.

    Attributes:
        steps: of training at each epoch.
        flat: the error of depths of zero on each set.
        records: for each epoch and seed what ``watch.Watch`` found.
    """

    steps: tuple[int, ...]
    flat: Mapping[str, float]
    records: tuple[tuple[Mapping[str, Any], ...], ...]

    @classmethod
    def read(cls, path: Path) -> Curves:
        """Read a run's file of curves."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        records = kept["records"]
        return cls(tuple(r["step"] for r in records), kept["flat"], tuple(tuple(r["seeds"]) for r in records))

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.records[0])

    def metric(self, label: str, name: str = ERROR) -> Array:
        """Return a metric [seeds, epochs] on a set."""
        return np.array([[seed["sets"][label]["metrics"][name] for seed in epoch] for epoch in self.records]).T

    def actions(self, label: str) -> dict[str, Array]:
        """Return the paper's measure [seeds, epochs] of every action of a set."""
        names = self.records[0][0]["sets"][label]["actions"]
        return {
            name: np.array([[seed["sets"][label]["actions"][name] for seed in epoch] for epoch in self.records]).T
            for name in names
        }

    def correlations(self, epoch: int = -1) -> list[Mapping[str, float]]:
        """Return for each seed how the depths of the parts go with the true ones."""
        return [seed["correlations"] for seed in self.records[epoch]]


def read_all(rows: list[str], out: Path) -> dict[str, Curves]:
    """Return the curves of the finished rows."""
    folders = {row: out / folder_of(row) for row in rows}
    return {row: Curves.read(f / CURVES) for row, f in folders.items() if (f / "result.json").exists()}


def dataset(found: Mapping[str, Curves]) -> xarray.Dataset:
    """Return all curves as a data set: ``metrics`` over (row, set, metric, seed, epoch), ``correlations`` and ``step``.

    Only rows with as many seeds and epochs as the first are in it.
    """
    first = next(iter(found.values()))
    alike = {r: c for r, c in found.items() if (c.seeds, c.steps) == (first.seeds, first.steps)}
    sets = list(first.records[0][0]["sets"])
    metrics = list(first.records[0][0]["sets"][sets[0]]["metrics"])
    parts = list(first.records[0][0]["correlations"])
    values = [[[curves.metric(label, name) for name in metrics] for label in sets] for curves in alike.values()]
    signs = [
        [[[seed["correlations"][part] for part in parts] for seed in epoch] for epoch in curves.records]
        for curves in alike.values()
    ]
    return xarray.Dataset(
        {
            "metrics": (("row", "set", "metric", "seed", "epoch"), np.array(values)),
            "correlations": (("row", "epoch", "seed", "part"), np.array(signs)),
        },
        coords={
            "row": list(alike),
            "set": sets,
            "metric": metrics,
            "part": parts,
            "seed": range(first.seeds),
            "epoch": range(1, len(first.steps) + 1),
            "step": ("epoch", list(first.steps)),
        },
    )
