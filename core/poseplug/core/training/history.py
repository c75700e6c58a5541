"""History: the run's losses, gathered without a synchronisation per step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from poseplug.core.errors import TrainingFailed


class History:
    """Named scalars over the steps of a run.

    The scalars of each step stay on the device until ``flush`` brings them over together. It notices every value that
    is not finite, and keeps their means: a long run's history stays small.

    Attributes:
        values: for each scalar, {step: mean over the steps since the flush before}.
        by_seed: the same of each of several seeds, in their order, of scalars that are known for each.
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[int, float]] = {}
        self.by_seed: dict[str, dict[int, list[float]]] = {}
        self._pending: list[tuple[int, Mapping[str, Tensor]]] = []
        self._pending_by_seed: dict[str, list[Tensor]] = {}

    def add(self, step: int, scalars: Mapping[str, Tensor], by_seed: Mapping[str, Tensor] | None = None) -> None:
        """Note the scalars of a step, counted from 1, and those of each seed [S]; they stay on the device."""
        self._pending.append((step, scalars))
        for name, values in (by_seed or {}).items():
            self._pending_by_seed.setdefault(name, []).append(values)

    def flush(self) -> dict[str, float]:
        """Bring the pending steps over and return the mean of each scalar over them.

        Raises:
            TrainingFailed: a scalar was NaN or infinite; names the first such step and the scalar.
        """
        pending, self._pending = self._pending, []
        names = [(step, name) for step, scalars in pending for name in scalars]
        if not names:  # a phase may have had nothing to train
            return {}
        stacked = torch.stack([value.reshape(()).float() for _, scalars in pending for value in scalars.values()])
        last, _ = pending[-1]
        collected: dict[str, list[float]] = {}
        for (step, name), value in zip(names, stacked.tolist(), strict=True):
            if not math.isfinite(value):
                raise TrainingFailed(f"'{name}' became {value} at step {step}.")
            collected.setdefault(name, []).append(value)
        means = {name: sum(values) / len(values) for name, values in collected.items()}
        for name, mean in means.items():
            self.values.setdefault(name, {})[last] = mean
        for name, noted in self._pending_by_seed.items():
            self.by_seed.setdefault(name, {})[last] = torch.stack(noted).double().mean(0).tolist()
        self._pending_by_seed = {}
        return means

    def tensors(self) -> dict[str, Tensor]:
        """Return steps and means of each scalar for a checkpoint: [2, K] float64, with a row more for each seed."""
        return {
            name: torch.tensor(
                [list(series), list(series.values()), *self._rows(name, list(series))], dtype=torch.float64
            )
            for name, series in self.values.items()
        }

    def _rows(self, name: str, steps: list[int]) -> list[list[float]]:
        """Return each seed's values of a scalar at these steps."""
        series = self.by_seed.get(name, {})
        known = series.keys() >= set(steps)  # an older checkpoint may hold means only
        return [list(row) for row in zip(*(series[step] for step in steps), strict=True)] if known else []

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what ``tensors`` returned."""
        self.values, self.by_seed = {}, {}
        for name, tensor in tensors.items():
            steps, means, *seeds = tensor.tolist()
            self.values[name] = dict(zip(map(int, steps), means, strict=True))
            if seeds:
                self.by_seed[name] = dict(zip(map(int, steps), map(list, zip(*seeds, strict=True)), strict=True))
