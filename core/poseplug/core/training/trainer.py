"""The training engine: one loop over steps. It prints nothing; hooks are told what happens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.errors import Interrupted, PoseplugError, TrainingFailed
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import Component, FiniteSource, Lifter, PoseSource
from poseplug.core.settings import setting
from poseplug.core.storage.checkpoint import from_under, load_tensors, save_tensors, under
from poseplug.core.training.assembly import Assembly, trainable
from poseplug.core.training.history import History
from poseplug.core.training.optimisation import SCHEDULES, Role
from poseplug.core.training.runtime import PRECISIONS, autocast, retain_freed_memory, set_matmul_precision
from poseplug.core.training.schedule import Phase, Schedule
from poseplug.core.training.training_step import AugmentedSource, StepRunner

_FIT_POSES = 50_000
# The random stream of the labelled poses: always the same ones, and none of the training's draws.
_LABELLED_STREAM = 97


@attrs.frozen(kw_only=True)
class Training:
    """How long and how fast a run trains."""

    steps: int = setting(1200, "training steps", minimum=1)
    batch_size: int = setting(256, "poses drawn a step; as many reference poses where they are used", minimum=2)
    lr: float = setting(1e-3, "learning rate of Adam; its peak for onecycle", above=0)
    lr_schedule: str = setting("cosine", "how the learning rate goes over the run", choices=SCHEDULES)
    clip_norm: float = setting(1.0, "gradients are cut to this norm; 0 switches it off", minimum=0)
    precision: str = setting("fp32", "arithmetic of the lifter", choices=PRECISIONS)
    seed: int = setting(0, "seed of everything that is drawn", minimum=0, maximum=2**31 - 1)
    log_every: int = setting(20, "steps between looks at the losses", minimum=1)
    checkpoint_every: int = setting(200, "steps between checkpoints", minimum=1)


class Trainer:
    """Trains the parts of an assembly.

    Args:
        assembly: the parts, on their device.
        training: how long and how fast.
        device: where everything lives.
        checkpoint: the file to keep the state in; None keeps none.
        hooks: told what happens.
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
        self._stage = 0
        assembly.model.lifter.enter_stage(0)
        self._roles = self._make_roles()
        context = partial(autocast, device, training.precision)
        drawn = training.batch_size * assembly.replicas
        self._runner = StepRunner(assembly, self._roles, drawn, self._generator, context, self.hooks)
        self._epoch_steps = epoch_steps(assembly.source, training.batch_size)

    def fit_statistics(self) -> None:
        """Fit what is fitted once before training: input normalisation, body size, and the reweighter."""
        drawn = AugmentedSource(self.assembly)
        reading = self.assembly.model.reading
        with torch.no_grad():
            if reading is not None and not self.assembly.model.depth_only:
                reading.fit_size(drawn.sample(_FIT_POSES, self._generator))
            if self.assembly.model.normaliser.needs_fit:
                self.assembly.model.normaliser.fit(drawn.sample(_FIT_POSES, self._generator))
            if self.assembly.reweighter is not None and self.assembly.reference is not None:
                self.assembly.reweighter.fit(drawn, self.assembly.reference, self._generator)

    def run(self) -> None:
        """Train to the last step, from wherever the state is.

        Raises:
            TrainingFailed: a loss or a parameter is not finite; the last good checkpoint stays.
            Interrupted: ``stop_requested`` was set; the state is kept.
        """
        set_matmul_precision(self.training.precision)
        if self.device.type == "cpu":
            retain_freed_memory()
        self._modules.train()
        if self.step == 0:
            self.fit_statistics()
        began, before = time.perf_counter(), self.seconds
        while self.step < self.training.steps:
            self._enter_stage()
            moment = self._schedule.at(self.step)
            losses = self._runner.run(self.step, self.step / self.training.steps, moment)
            self.step += 1
            self.history.add(self.step, losses)
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

    def fit_depth(self) -> None:
        """Take the sign and the size of depths that were learned without labels from a few labelled poses."""
        parts = self.assembly
        if not parts.model.depth_only or not parts.objective.labelled_poses:
            return
        generator = torch.Generator(self.device).manual_seed((self.training.seed << 16) + _LABELLED_STREAM)
        labelled = (parts.reference or parts.source).sample(parts.objective.labelled_poses, generator)
        if labelled.joints_3d is not None:
            found = parts.model.fit_depth(labelled)
            self.history.add(self.step, {f"depth/{name}": value for name, value in found.items() if name != "poses"})

    def _look(self) -> None:
        try:
            means = self.history.flush()
        except TrainingFailed as failure:
            raise TrainingFailed(f"{failure} {self._advice(str(failure))}") from None
        if means:
            self.hooks.call("on_log", self.step, means)

    def _advice(self, failure: str) -> str:
        kept = "No checkpoint was written yet."
        if self._saved_step is not None:
            kept = f"The last good state, step {self._saved_step}, is kept in '{self.checkpoint}'."
        if failure.startswith("'reweighter"):  # its weights are fitted, not trained
            return f"{kept} Look at the settings of the reweighter, and at the poses that it is fitted to."
        return f"{kept} Try a lower --lr, and look at the data and the settings of that part."

    # ---------------------------------------------------------------- roles and stages

    def _make_roles(self) -> dict[str, Role]:
        modules: dict[str, nn.Module] = {"lifter": self.assembly.model.lifter}
        if self.assembly.model.root is not None:
            modules["root"] = self.assembly.model.root
        modules |= {f"augmentor{i}": m for i, m in enumerate(self.assembly.augmentors)}
        modules |= {f"discriminator{i}": m for i, m in enumerate(self.assembly.discriminators.values())}
        return {name: self._make_role(name, module) for name, module in modules.items() if trainable(module)}

    def _make_role(self, name: str, module: nn.Module) -> Role:
        assert isinstance(module, Component)
        steps = self._schedule.updates(name.rstrip("0123456789"))
        if isinstance(module, Lifter):
            steps = -(-steps // module.num_stages)
        return Role(
            module,
            lr=self.training.lr if module.learning_rate is None else module.learning_rate,
            schedule=self.training.lr_schedule,
            updates=-(-steps // module.update_every),
            clip_norm=self.training.clip_norm,
            every=module.update_every,
            replicas=self.assembly.replicas,
        )

    def _enter_stage(self) -> None:
        """Begin the lifter's next stage where one is due: equal shares of the steps, a fresh optimiser each."""
        lifter = self.assembly.model.lifter
        due = self.step * lifter.num_stages // self.training.steps
        while self._stage < due:
            self._stage += 1
            lifter.enter_stage(self._stage)
            self._roles["lifter"] = self._make_role("lifter", lifter)

    # ---------------------------------------------------------------- state

    def save(self) -> None:
        """Write the whole state to the checkpoint file, if there is one and all of it is finite.

        Raises:
            TrainingFailed: a loss or a parameter is not finite.
        """
        self.fit_depth()
        self._look()
        for name, tensor in self._modules.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                failure = f"'{name}' is not finite after step {self.step}."
                raise TrainingFailed(f"{failure} {self._advice(failure)}")
        if self.checkpoint is None:
            return
        tensors = under("modules", self._modules.state_dict()) | under("history", self.history.tensors())
        for name, role in self._roles.items():
            tensors |= under(f"roles/{name}", role.tensors())
        tensors |= under("random", self._random_state()) | under("kept", self._runner.kept.tensors())
        settings = {name: role.settings() for name, role in self._roles.items()}
        save_tensors(self.checkpoint, tensors, {"step": self.step, "seconds": self.seconds, "roles": settings})
        self._saved_step = self.step
        self.hooks.call("on_checkpoint", self.step, self.checkpoint)

    def load(self) -> None:
        """Take up the state in the checkpoint file, so that training goes on as if it had never stopped.

        Raises:
            PoseplugError: the file is missing or damaged, or its parts are not this run's.
        """
        if self.checkpoint is None:
            raise ValueError("this trainer has no checkpoint file")
        tensors, meta = load_tensors(self.checkpoint)
        try:
            self._modules.load_state_dict(from_under("modules", tensors))
            self.step, self.seconds = meta["step"], meta["seconds"]
            self._enter_stage_of(self.step)
            for name, role in self._roles.items():
                role.load(from_under(f"roles/{name}", tensors), meta["roles"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise PoseplugError(f"'{self.checkpoint}' does not belong to a run of these parts: {error}") from error
        self.history.load(from_under("history", tensors))
        self._runner.kept.load(from_under("kept", tensors), self.device)
        self._set_random_state(from_under("random", tensors))
        self._saved_step = self.step

    def _enter_stage_of(self, step: int) -> None:
        # The optimiser in the checkpoint belongs to the stage of the last step taken.
        self.step = max(0, step - 1)
        self._enter_stage()
        self.step = step

    def _random_state(self) -> dict[str, Tensor]:
        state = {"draws": self._generator.get_state(), "cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def _set_random_state(self, state: Mapping[str, Tensor]) -> None:
        self._generator.set_state(state["draws"])
        torch.set_rng_state(state["cpu"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)


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
