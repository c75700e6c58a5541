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
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[int, float]] = {}
        self._pending: list[tuple[int, Mapping[str, Tensor]]] = []

    def add(self, step: int, scalars: Mapping[str, Tensor]) -> None:
        """Note the scalars of a step, counted from 1; they stay on the device."""
        self._pending.append((step, scalars))

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
        return means

    def tensors(self) -> dict[str, Tensor]:
        """Return steps and means of each scalar for a checkpoint: [2, K] float64 each."""
        return {name: torch.tensor([[*s], [*s.values()]], dtype=torch.float64) for name, s in self.values.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what ``tensors`` returned."""
        self.values = {}
        for name, tensor in tensors.items():
            steps, means = tensor.tolist()
            self.values[name] = dict(zip(map(int, steps), means, strict=True))
