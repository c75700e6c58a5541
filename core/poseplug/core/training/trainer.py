"""The training loop: steps, looks at the losses, checkpoints. It prints nothing; hooks are told what happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import Interrupted, PoseplugError, TrainingFailed
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.storage.tensor_file import under
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.checkpoint import TrainingState
from poseplug.core.training.history import History
from poseplug.core.training.multi_seed import begin_phase, means, models_of
from poseplug.core.training.roles import Role
from poseplug.core.training.runtime import retain_freed_memory
from poseplug.core.training.schedule import Phase, Schedule, Training
from poseplug.core.training.training_step import AugmentedSource, TrainingStep

_FIT_POSES, _FIT_BATCHES = 50_000, 64
# The random stream of the labelled poses: always the same ones, and none of the training's draws.
_LABELLED_STREAM = 97


class Trainer:
    """Trains the parts of an assembly.

    Args:
        checkpoint: the file to keep the state in; None keeps none.
        phases: what each step trains; none means that every step trains everything.
    """

    def __init__(
        self,
        assembly: Assembly,
        training: Training,
        device: torch.device,
        checkpoint: Path | None = None,
        hooks: HookSet | None = None,
        phases: Sequence[Phase] = (),
    ) -> None:
        self.assembly = assembly
        self.training = training
        self.device = device
        self.checkpoint = checkpoint
        self.hooks = hooks or HookSet()
        self.history = History()
        self.step = 0
        self.seconds = 0.0
        self.stop_requested = False
        self._saved_step: int | None = None
        self._generator = torch.Generator(device).manual_seed(training.seed)
        self._modules = assembly.modules()
        self._schedule = Schedule(phases, training.steps)
        self._roles = {
            name: Role(name, part, training, self._schedule, assembly.seeds, partial(begin_phase, assembly, name, part))
            for name, part in assembly.trained().items()
        }
        self._one_step = TrainingStep(assembly, self._roles, training, self._generator, self.hooks)
        self._state = TrainingState(
            self._modules, self._roles, self.history, self._one_step.buffer, self._generator, training.steps
        )
        self._epoch_steps = epoch_steps(assembly.source, training.batch_size)

    @property
    def people(self) -> int:
        """How many people were drawn, reference poses among them."""
        return self._one_step.people

    def fit_statistics(self) -> None:
        """Fit what is fitted once before training: output head, input normalisation, and the reweighter."""
        training = AugmentedSource(self.assembly)
        models = models_of(self.assembly)
        with torch.no_grad():
            for parts in ([model.head for model in models], [model.normaliser for model in models]):
                if parts[0].needs_fit:
                    poses = self._sample_of(training)
                    for part in parts:
                        part.fit(poses)
            if self.assembly.reweighter is not None and self.assembly.reference is not None:
                self.assembly.reweighter.fit(training, self.assembly.reference, self._generator)

    def _sample_of(self, source: PoseSource) -> PoseBatch:
        """Return poses to take statistics from; where there are images of them, as many as can be opened, without."""
        if not source.has_images:
            return source.sample(_FIT_POSES, self._generator)
        batches = (source.sample(self.training.batch_size, self._generator) for _ in range(_FIT_BATCHES))
        return PoseBatch.join([batch.alone() for batch in batches])

    def run(self) -> None:
        """Train to the last step, from wherever the state is.

        Raises:
            TrainingFailed: a loss or a parameter is not finite; the last good checkpoint stays.
            Interrupted: ``stop_requested`` was set; the state is kept.
        """
        # TF32 matrix products for tf32 and bf16 runs.
        torch.set_float32_matmul_precision("highest" if self.training.precision == "fp32" else "high")
        if self.device.type == "cpu":
            retain_freed_memory()
        self._modules.train()
        if self.step == 0:
            self.fit_statistics()
        began, before = time.perf_counter(), self.seconds
        phase: Phase | None = None
        while self.step < self.training.steps:
            moment = self._schedule.at(self.step)
            if moment.phase is not phase:
                phase = moment.phase
                for role in self._roles.values():
                    role.begin(phase)
            losses = self._one_step.run(moment)
            self.step += 1
            self.history.add(self.step, losses, self._one_step.by_seed)
            if self.hooks.listens("on_step"):
                self.hooks.call("on_step", self.step, losses)
            if self._epoch_steps and self.step % self._epoch_steps == 0:
                self.hooks.call("on_epoch", self.step // self._epoch_steps)
            if self.step % self.training.log_every == 0 or self.step == self.training.steps:
                self._look()
            self.seconds = before + time.perf_counter() - began
            if self.stop_requested:
                self.save()
                kept = f"; --resume continues it from step {self.step}" if self.checkpoint else ""
                raise Interrupted(f"Stopped at step {self.step} of {self.training.steps}{kept}.")
            if self.step % self.training.checkpoint_every == 0 and self.step < self.training.steps:
                self.save()
        self.save()
        self._modules.eval()

    def _look(self) -> None:
        try:
            losses = self.history.flush()
        except TrainingFailed as failure:
            raise self._failed(str(failure)) from None
        if losses:
            self.hooks.call("on_log", self.step, losses)

    def _failed(self, failure: str) -> TrainingFailed:
        kept = "No checkpoint was written yet."
        if self._saved_step is not None:
            kept = f"The last good state, step {self._saved_step}, is kept in '{self.checkpoint}'."
        if failure.startswith("'reweighter"):  # its weights are fitted, not trained
            advice = "Look at the settings of the reweighter, and at the poses that it is fitted to."
        else:
            advice = "Try a lower --lr, and look at the data and the settings of that part."
        return TrainingFailed(f"{failure} {kept} {advice}")

    def calibrate(self) -> None:
        """Calibrate each seed's output head with the same few labelled poses, where it asks for them."""
        models, parts = models_of(self.assembly), self.assembly
        wanted = models[0].head.labelled_poses
        if not wanted:
            return
        generator = torch.Generator(self.device).manual_seed((self.training.seed << 16) + _LABELLED_STREAM)
        labelled = (parts.reference or parts.source).sample(wanted, generator)
        if labelled.joints_3d is not None:
            found = [model.calibrate(labelled) for model in models]
            every = {name: torch.stack([one[name].float().reshape(()) for one in found]) for name in found[0]}
            self.history.add(self.step, under("head", means(found)), under("head", every) if len(models) > 1 else None)

    def save(self) -> None:
        """Write the whole state to the checkpoint file, if there is one and all of it is finite.

        Raises:
            TrainingFailed: a loss or a parameter is not finite.
        """
        self.calibrate()
        self._look()
        broken = self._state.not_finite()
        if broken:
            raise self._failed(f"'{broken}' is not finite after step {self.step}.")
        if self.checkpoint is not None:
            self._state.save(self.checkpoint, self.step, self.seconds, self.people)
            self._saved_step = self.step
            self.hooks.call("on_checkpoint", self.step, self.checkpoint)

    def load(self) -> None:
        """Take up the state in the checkpoint file, so that training goes on as if it had never stopped.

        Raises:
            PoseplugError: the file is missing or damaged, its parts are not this run's, or it has more steps behind it.
        """
        if self.checkpoint is None:
            raise ValueError("this trainer has no checkpoint file")
        self.step, self.seconds, people = self._state.load(self.checkpoint)
        a_step = self._one_step.batch_size * (2 if self.assembly.uses_reference else 1)
        self._one_step.people = self.step * a_step if people is None else people
        self._saved_step = self.step


def steps_of_epochs(epochs: int, batch_size: int, source: PoseSource) -> int:
    """Return how many steps make ``epochs`` passes over a source.

    Raises:
        PoseplugError: the source is endless.
    """
    steps = epoch_steps(source, batch_size)
    if steps is None:
        raise PoseplugError("--epochs needs a source with an end, and this run's source is endless; use --steps.")
    return epochs * steps


def epoch_steps(source: PoseSource, batch_size: int) -> int | None:
    """Return how many steps make one pass over a source; None for an endless one."""
    return -(-len(source) // batch_size) if isinstance(source, FiniteSource) else None
