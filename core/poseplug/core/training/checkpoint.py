"""What a checkpoint holds: all that a run needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.tensor_file import from_under, load_tensors, save_tensors, under
from poseplug.core.training.history import History
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.roles import Role


@attrs.frozen
class TrainingState:
    """Everything that changes while a run is trained, but the step and the time.

    Attributes:
        modules: parameters and buffers of every part.
        roles: by name; their optimisers and learning-rate schedules.
        history: losses so far.
        buffer: augmented poses that were kept.
        generator: what is drawn from; torch's global generators are kept too, for dropout.
        device: where the run computes.
        steps: of the whole run, which schedules span.
    """

    modules: nn.Module
    roles: Mapping[str, Role]
    history: History
    buffer: PoseBuffer
    generator: torch.Generator
    device: torch.device
    steps: int

    def not_finite(self) -> str | None:
        """Return the name of a parameter or buffer that holds a NaN or an infinity."""
        for name, tensor in self.modules.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return name
        return None

    def save(self, path: Path, step: int, seconds: float) -> None:
        """Write the state to a file, whole or not at all.

        Raises:
            PoseplugError: the file cannot be written.
        """
        tensors = under("modules", self.modules.state_dict()) | under("history", self.history.tensors())
        for name, role in self.roles.items():
            tensors |= under(f"roles/{name}", role.tensors())
        tensors |= under("random", self._random_state()) | under("buffer", self.buffer.tensors())
        settings = {name: role.settings() for name, role in self.roles.items()}
        save_tensors(path, tensors, {"step": step, "steps": self.steps, "seconds": seconds, "roles": settings})

    def load(self, path: Path) -> tuple[int, float]:
        """Take up the state in a file; return the steps that were done, and the seconds that they took.

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
                role.load(from_under(f"roles/{name}", tensors), facts["roles"][name])
                if facts.get("steps") != self.steps:  # older checkpoints do not tell
                    role.go_to(facts["step"])
            step, seconds = int(facts["step"]), float(facts["seconds"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise PoseplugError(f"'{path}' does not belong to a run of these parts: {error}") from error
        self.history.load(from_under("history", tensors))
        self.buffer.load(from_under("buffer", tensors), self.device)
        self._set_random_state(from_under("random", tensors))
        return step, seconds

    def _random_state(self) -> dict[str, Tensor]:
        state = {"draws": self.generator.get_state(), "cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def _set_random_state(self, state: Mapping[str, Tensor]) -> None:
        self.generator.set_state(state["draws"])
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)
