"""The run that lifts: its trained model, and what that was shown in training."""

from __future__ import annotations

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.models.input_range import InputRange
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.find_run import find_run
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import open_run, seen_in_training, stored_range


@attrs.frozen(eq=False)
class OpenedRun:
    """A trained model.

    Attributes:
        model: in evaluation mode.
        seen: what it was shown in training; None where nobody knows.
        score: whom it finds counts above this, as the run's protocol says.
    """

    model: LiftingModel
    seen: InputRange | None
    score: float

    @classmethod
    def named(cls, said: str, catalogue: Catalogue, device: torch.device) -> OpenedRun:
        """Open the run in a folder, or the trained model of a name.

        Raises:
            PoseplugError: there is no finished run, or one of its components is not installed.
        """
        directory = find_run(said, catalogue)
        plan, model = open_run(directory, catalogue, device)
        seen = stored_range(directory) or _from_data(plan, catalogue, device)
        return cls(model, seen, plan.protocol.match_score)


def _from_data(plan: Plan, catalogue: Catalogue, device: torch.device) -> InputRange | None:
    """Return what the lifter of an older run saw, from the run's data where they are still there."""
    try:
        assembly, said = build(plan, catalogue, device).assembly, plan.settings
        return seen_in_training(assembly, device, said.seed, said.batch_size)
    except PoseplugError:
        return None
