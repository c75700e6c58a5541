"""Training a detector: crops changed at random, Adam, stages one after the other, resumed where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.crops import CropMaps
from poseplug.core.detection.detector import Detector, Stage
from poseplug.core.detection.labels import LabelledPeople
from poseplug.core.errors import Interrupted, PoseplugError, TrainingFailed
from poseplug.core.settings import setting
from poseplug.core.storage.tensor_file import from_under, load_tensors, save_tensors, under

_LAST_RATE = 0.01
Told = Callable[[int, Mapping[str, float]], None]


@attrs.frozen(kw_only=True)
class DetectorTraining:
    """How a detector is trained."""

    steps: int = setting(18_000, "batches that it learns from", minimum=1)
    batch_size: int = setting(24, "people in a batch", minimum=2)
    lr: float | None = setting(
        None, "Adam's learning rate at first, falling along a cosine to a hundredth; the detector's own", above=0
    )
    seed: int = setting(0, "of everything that is drawn", minimum=0, maximum=2**31 - 1)
    log_every: int = setting(20, "steps between looks at the losses", minimum=1)
    checkpoint_every: int = setting(500, "steps between checkpoints", minimum=1)


@attrs.define(eq=False)
class DetectorTrainer:
    """Trains a detector on labelled people.

    Attributes:
        detector: on its device.
        people: whom it learns from, in its layout.
        training, changes: how.
        checkpoint: where the state is kept; None: nowhere.
        told: is told the step and the losses every so often.
        step: how many steps are done.
        seconds: how long they took.
        stop_requested: set to stop after the current step.
    """

    detector: Detector
    people: LabelledPeople
    training: DetectorTraining
    changes: CropChanges = attrs.field(factory=CropChanges)
    checkpoint: Path | None = None
    told: Told = lambda step, losses: None
    step: int = 0
    seconds: float = 0.0
    stop_requested: bool = False
    optimiser: torch.optim.Adam = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.people.skeleton != self.detector.skeleton:
            raise PoseplugError(
                f"The detector finds '{self.detector.skeleton.name}', and the labels are '{self.people.skeleton.name}'."
            )
        self.optimiser = self._new_optimiser()

    @property
    def device(self) -> torch.device:
        """Where the detector is."""
        return next(self.detector.parameters()).device

    def run(self) -> dict[str, float]:
        """Train to the last step; return the mean of each loss since it was last told.

        Raises:
            TrainingFailed: a loss became NaN or infinite.
            Interrupted: ``stop_requested`` was set; the state is in the checkpoint.
        """
        self.detector.train()
        begun, started, losses = time.monotonic(), self.seconds, _Means()
        means: dict[str, float] = {}
        self.detector.begin_stage(self.stage_of(self.step).name)
        while self.step < self.training.steps:
            self._enter_stage()
            losses.add(self.take_step())
            self.step += 1
            self.seconds = started + time.monotonic() - begun
            last = self.step == self.training.steps
            if self.step % self.training.log_every == 0 or last or self.stop_requested:
                means = losses.taken(self.step)
                self.told(self.step, means)
            if self.step % self.training.checkpoint_every == 0 or (self.stop_requested and not last):
                self.save()
            if self.stop_requested and not last:
                raise Interrupted(f"Stopped after step {self.step}; the same command with --resume goes on from there.")
        return means

    def stage_of(self, step: int) -> Stage:
        """Return the stage that a step belongs to."""
        stages = self.detector.stages or (Stage("training", 1.0),)
        end = 0.0
        for stage in stages:
            end += stage.share
            if step < round(end * self.training.steps):
                return stage
        return stages[-1]

    def _enter_stage(self) -> None:
        stage = self.stage_of(self.step)
        if self.step and stage != self.stage_of(self.step - 1):
            self.detector.begin_stage(stage.name)
            # Another loss has gradients of another size, which Adam's averages would take long to forget.
            self.optimiser = self._new_optimiser()

    def _new_optimiser(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.detector.parameters(), lr=self._rate(0))

    def _rate(self, step: int) -> float:
        first = self.training.lr or self.detector.learning_rate or 1e-3
        fallen = (1 + math.cos(math.pi * step / self.training.steps)) / 2
        return first * (_LAST_RATE + (1 - _LAST_RATE) * fallen)

    def take_step(self) -> Mapping[str, Tensor]:
        """Learn from one batch; return the losses. What is drawn depends on seed and step alone."""
        generator = torch.Generator().manual_seed((self.training.seed << 32) + self.step)
        images, joints, visible = self.batch(generator)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(self.step)
        losses = self.detector.loss(images, joints, visible)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack([*losses.values()]).sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return losses

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return crops [n, 3, H, W], joints [n, J, 2] in their pixels and which are visible [n, J], on the device."""
        people, size, n = self.people, self.detector.crop, self.training.batch_size
        rows = torch.randint(len(people), (n,), generator=generator)
        inner, flips = self.changes.draw(n, size, generator)
        maps = CropMaps.of_boxes(people.box[rows], size).after(inner)
        joints, visible = maps.to_crop(people.joints[rows]), people.visible[rows]
        other = list(people.skeleton.flip_index)
        joints = torch.where(flips[:, None, None], joints[:, other], joints)
        visible = torch.where(flips[:, None], visible[:, other], visible)
        edge = torch.tensor([size[1], size[0]]) - 0.5
        visible = visible & ((joints >= -0.5) & (joints <= edge)).all(-1)
        images = people.crops(rows, maps, size, self.device)
        return images, joints.to(self.device), visible.float().to(self.device)

    def save(self) -> None:
        """Keep all that the training needs to go on; raise PoseplugError if it cannot be written."""
        if self.checkpoint is None:
            return
        tensors = under("detector", self.detector.state_dict())
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= under(f"optimiser/{index}", state)
        tensors |= {"random/cpu": torch.get_rng_state()}
        save_tensors(
            self.checkpoint, tensors, {"step": self.step, "seconds": self.seconds, "steps": self.training.steps}
        )

    def load(self) -> None:
        """Take up the state in the checkpoint.

        Raises:
            PoseplugError: there is none, it is damaged, another detector's, or of a training of other length.
        """
        assert self.checkpoint is not None, "who resumes says where from"
        tensors, facts = load_tensors(self.checkpoint)
        try:
            if facts["steps"] != self.training.steps:
                raise PoseplugError(f"This training was to have {facts['steps']} steps; give --steps {facts['steps']}.")
            self.detector.load_state_dict(from_under("detector", tensors))
            moments = from_under("optimiser", tensors)
            state = {
                index: from_under(str(index), moments) for index in {int(name.partition("/")[0]) for name in moments}
            }
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
            self.step, self.seconds = int(facts["step"]), float(facts["seconds"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise PoseplugError(f"'{self.checkpoint}' does not belong to this training: {error}") from error
        torch.set_rng_state(tensors["random/cpu"])


class _Means:
    """Means of losses over some steps, looked at only when they are asked for."""

    def __init__(self) -> None:
        self._seen: list[Mapping[str, Tensor]] = []

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Note the losses of a step."""
        self._seen.append({name: loss.detach() for name, loss in losses.items()})

    def taken(self, step: int) -> dict[str, float]:
        """Return the means by name, and begin anew; raise TrainingFailed if one is no number."""
        names = {name for losses in self._seen for name in losses}
        means = {
            name: float(torch.stack([losses[name] for losses in self._seen if name in losses]).mean())
            for name in sorted(names)
        }
        self._seen.clear()
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise TrainingFailed(f"The loss '{name}' became {mean} before step {step}; try a lower --lr.")
        return means
