"""What a checkpoint holds: all that a run needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.tensor_file import from_under, load_tensors, save_tensors, under
from poseplug.core.training.history import History
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.roles import Role


@attrs.frozen
class TrainingState:
    """Everything that changes while a run is trained, but what it has behind it; of a run of so many steps."""

    modules: nn.Module
    roles: Mapping[str, Role]
    history: History
    buffer: PoseBuffer
    generator: torch.Generator
    steps: int

    def not_finite(self) -> str | None:
        """Return the name of a parameter or buffer that holds a NaN or an infinity."""
        for name, tensor in self.modules.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return name
        return None

    def save(self, path: Path, step: int, seconds: float, people: int) -> None:
        """Write the state to a file, whole or not at all, with the steps, seconds and people that are behind it.

        Raises:
            PoseplugError: the file cannot be written.
        """
        tensors = under("modules", self.modules.state_dict()) | under("history", self.history.tensors())
        roles: dict[str, list[Any]] = {name: [] for name in self.roles}
        for name, role in self.roles.items():
            for i, optimiser in enumerate(role.optimisers.values()):
                state, facts = optimiser.state()
                tensors |= under(f"roles/{name}/{i}", state)
                roles[name].append(facts)
        # Dropout draws from torch's global generators.
        random = {"draws": self.generator.get_state(), "cpu": torch.get_rng_state()}
        if self.generator.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.generator.device)
        tensors |= under("random", random) | under("buffer", self.buffer.tensors())
        facts = {"step": step, "steps": self.steps, "seconds": seconds, "people": people}
        save_tensors(path, tensors, facts | {"roles": roles})

    def load(self, path: Path) -> tuple[int, float, int | None]:
        """Take up the state in a file; return the steps that were done, and the seconds and people that they took.

        Older checkpoints do not tell of people; they are None then.

        Where the run was to have another number of steps then, learning rates go on from where the schedules of this
        one are at that step.

        Raises:
            PoseplugError: the file is missing or damaged, its parts are not this run's, or it has more steps behind it.
        """
        tensors, facts = load_tensors(path)
        try:
            if facts["step"] > self.steps:
                raise PoseplugError(
                    f"{facts['step']} steps of this run are done, more than the {self.steps} that were asked for; give "
                    "--steps (or --epochs) at least as many as are done."
                )
            self.modules.load_state_dict(from_under("modules", tensors))
            for name, role in self.roles.items():
                for i, (optimiser, own) in enumerate(zip(role.optimisers.values(), facts["roles"][name], strict=True)):
                    optimiser.load(from_under(f"roles/{name}/{i}", tensors), own)
                if facts.get("steps") != self.steps:  # older checkpoints do not tell
                    role.go_to(facts["step"])
            step, seconds, people = int(facts["step"]), float(facts["seconds"]), facts.get("people")
        except (KeyError, RuntimeError, ValueError) as error:
            raise PoseplugError(f"'{path}' does not belong to a run of these parts: {error}") from error
        device, random = self.generator.device, from_under("random", tensors)
        self.history.load(from_under("history", tensors))
        self.buffer.load(from_under("buffer", tensors), device)
        self.generator.set_state(random["draws"])
        torch.set_rng_state(random["cpu"])
        if device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], device)
        return step, seconds, people
