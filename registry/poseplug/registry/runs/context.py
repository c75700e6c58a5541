"""What components of a run may know when they are built: of other components, and of models that others trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.registry.config.resolve import knowing
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.find_run import find_run
from poseplug.registry.runs.saved_model import open_run


def run_context(catalogue: Catalogue, device: torch.device | None = None, seed: int = 0, **facts: Any) -> BuildContext:
    """Return a context whose ``build`` and ``open_model`` find what is installed.

    Args:
        catalogue: what is installed.
        device: where all tensors live; by default the CPU.
        seed: the run's.
        facts: further fields of the context.
    """
    where = device or torch.device("cpu")

    def open_model(said: str) -> Callable[[PoseBatch], Tensor]:
        _, model = open_run(find_run(said, catalogue), catalogue, where)
        if model.finds:
            raise PoseplugError(
                f"The model '{said}' searches scenes for people, and here people are given; name one that lifts these."
            )

        def lift(batch: PoseBatch) -> Tensor:
            if batch.skeleton != model.skeleton:
                raise PoseplugError(
                    f"The model '{said}' is for skeleton '{model.skeleton.name}', and these poses are in "
                    f"'{batch.skeleton.name}'; name another model, or load the poses with that skeleton."
                )
            with torch.no_grad():
                return model.predict(batch)

        return lift

    return knowing(BuildContext(device=where, seed=seed, open_model=open_model), catalogue, **facts)
