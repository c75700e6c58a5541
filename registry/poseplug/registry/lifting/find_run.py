"""What RUN means where key points are lifted: the folder of a finished run."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.models.input_range import InputRange
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import open_run, seen_in_training, stored_range


@attrs.frozen(eq=False)
class OpenedRun:
    """A trained model, and what it was shown in training; None where nobody knows."""

    model: LiftingModel
    seen: InputRange | None


def run_directory(said: str) -> RunDirectory:
    """Return the directory of a run that was named."""
    return RunDirectory(Path(said))


def find_run(said: str, catalogue: Catalogue, device: torch.device) -> OpenedRun:
    """Open the model of a run that was named.

    Raises:
        PoseplugError: there is no finished run, or one of its components is not installed.
    """
    directory = run_directory(said)
    plan, model = open_run(directory, catalogue, device)
    return OpenedRun(model, stored_range(directory) or _from_data(plan, catalogue, device))


def _from_data(plan: Plan, catalogue: Catalogue, device: torch.device) -> InputRange | None:
    """Return what the lifter of an older run saw, from the run's data where they are still there."""
    try:
        return seen_in_training(build(plan, catalogue, device).assembly, device, plan.settings.seed)
    except PoseplugError:
        return None
