"""One training step, put together from whatever parts a run has: how a batch is drawn, and what is then updated."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.step import Loss, Stream
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import ROOTS, Augmentation, PoseSource
from poseplug.core.training import adversarial_step as adversarial
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.lifter_step import Conditions, add_fakes
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.roles import Role
from poseplug.core.training.schedule import Moment, Phase


class TrainingStep:
    """Draws, augments, weighs, and updates each role once.

    Args:
        assembly: the parts.
        roles: by name: "lifter", "root", "augmentor<i>", "discriminator<i>", those of them that are trained.
        batch_size: poses drawn a step, and reference poses where they are used.
        conditions: of every step; their generator is for everything that is drawn.
        hooks: may look at, or replace, the poses of a step.
    """

    def __init__(
        self,
        assembly: Assembly,
        roles: Mapping[str, Role],
        batch_size: int,
        conditions: Conditions,
        hooks: HookSet,
    ) -> None:
        self.assembly = assembly
        self.roles = roles
        self.batch_size = batch_size
        self.conditions = conditions
        self.generator = conditions.generator
        self.hooks = hooks
        self.buffer = PoseBuffer(assembly.source.skeleton)
        # The lifter's losses in the last step of each of several seeds: name -> [S], without gradient.
        self.by_seed: dict[str, Tensor] = {}

    def run(self, index: int, progress: float, moment: Moment) -> dict[str, Tensor]:
        """Take step ``index`` and return its named losses and logs, detached, on the device."""
        parts, phase = self.assembly, moment.phase
        self.by_seed = {}
        drawn = parts.source.sample(self.batch_size, self.generator)
        reference = None
        if parts.uses_reference and parts.reference is not None:
            reference = parts.reference.sample(self.batch_size, self.generator)
        augmentations = apply_augmentors(parts, drawn, self.generator) if self._augments(phase) else []
        if phase.keep and augmentations:
            self.buffer.add(augmentations[-1])
        poses = self._poses(index, phase, drawn, augmentations)
        logs: dict[str, Tensor] = {}
        fakes: dict[str, PoseBatch] = {}
        with parts.model.inputs.shared():
            if "lifter" in self.roles and self.roles["lifter"].trained_in(phase):
                losses, fakes = self._train_lifter(index, poses, reference, progress, phase)
                logs |= losses
            if "root" in self.roles and self.roles["root"].due(index, phase):
                logs |= self._train_root(poses, phase)
        made = adversarial.Made(drawn, augmentations, self.roles)
        logs |= adversarial.train_augmentors(parts, self.roles, made, self._evaluated, index, progress, moment)
        real = made.given if reference is None else reference
        add_fakes(fakes, made.judged(parts.discriminators))
        logs |= adversarial.train_discriminators(parts, self.roles, real, fakes, index, phase, self.generator)
        return {name: value.detach() for name, value in logs.items()}

    def _augments(self, phase: Phase) -> bool:
        """Whether a phase has any use for augmented poses."""
        learning = any(phase.groups(role) is not None for role in ("augmentor", "discriminator"))
        return phase.poses == "augmented" or phase.keep or learning

    def _poses(self, index: int, phase: Phase, drawn: PoseBatch, augmentations: list[Augmentation]) -> PoseBatch:
        """Return what the lifter trains on; where no pose was accepted to be kept, drawn ones."""
        poses = drawn
        if phase.poses == "kept":
            poses = self.buffer.sample(self.batch_size, self.generator) or drawn
        elif phase.poses == "augmented" and augmentations:
            poses = augmentations[-1].batch.detached()
        return self.hooks.replace_batch(index + 1, poses)

    def _train_lifter(
        self, index: int, poses: PoseBatch, reference: PoseBatch | None, progress: float, phase: Phase
    ) -> tuple[dict[str, Tensor], dict[str, PoseBatch]]:
        parts, role = self.assembly, self.roles["lifter"]
        due = role.due(index, phase)
        if not due and not parts.objective.needs_discriminator:
            return {}, {}
        if ROOTS in parts.model.lifter.reads:
            parts.model.locate(poses)  # in full precision, and shared with what trains the root estimator
        losses, fakes = parts.lifter_step(
            self._streams(poses, reference), attrs.evolve(self.conditions, progress=progress)
        )
        if due:
            role.update(losses, phase)
        logs = {} if parts.reweighter is None else {f"reweighter/{k}": v for k, v in parts.reweighter.logs().items()}
        flat = _flat(losses)
        if parts.stack is not None:  # of what it returned, losses come first
            self.by_seed = dict(zip(flat, parts.stack.numbers, strict=False))
        return logs | flat, fakes

    def _streams(self, poses: PoseBatch, reference: PoseBatch | None) -> dict[str, Stream]:
        """Return what the lifter learns from, by name, with the weights that the reweighter gives."""
        parts, weights = self.assembly, dict[str, Tensor]()
        if parts.reweighter is not None and reference is not None:
            with torch.no_grad():
                weights |= parts.reweighter.weigh(poses, reference)
        streams = {"training": Stream("training", self._visible(poses), weights.get("training"))}
        if reference is not None and parts.reference_weight > 0:
            shown, factor = self._visible(reference), parts.reference_weight
            streams["reference"] = Stream("reference", shown, weights.get("reference"), factor)
        return streams

    def _visible(self, batch: PoseBatch) -> PoseBatch:
        """What the objective may see: an objective that needs no 3D labels is never shown any."""
        return batch if self.assembly.objective.needs_3d else attrs.evolve(batch, joints_3d=None)

    def _evaluated(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter would say in evaluation: metres, also where it is trained on something else."""
        with self.conditions.autocast():
            return self.assembly.model.predict(batch).float()

    def _train_root(self, poses: PoseBatch, phase: Phase) -> dict[str, Tensor]:
        model = self.assembly.model
        roots = model.locate(poses)
        assert roots is not None
        assert model.root is not None
        losses = model.root.loss(roots, poses, **model.inputs.read(model.root.reads, poses))
        self.roles["root"].update(losses, phase)
        return {f"root/{name}": value for name, value in losses.items()}


class AugmentedSource(PoseSource):
    """What the lifter is trained on, as a source: the run's poses after its augmentors."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        source = assembly.source
        self.skeleton, self.has_3d, self.label_names = source.skeleton, source.has_3d, source.label_names

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        drawn = self.assembly.source.sample(n, generator)
        with torch.no_grad():
            augmentations = apply_augmentors(self.assembly, drawn, generator)
        return augmentations[-1].batch if augmentations else drawn


def apply_augmentors(assembly: Assembly, batch: PoseBatch, generator: torch.Generator) -> list[Augmentation]:
    """Return what each augmentor makes of the batch, one after the other."""
    augmentations = []
    for augmentor in assembly.augmentors:
        augmentations.append(augmentor.augment(batch, generator))
        batch = augmentations[-1].batch
    return augmentations


def _flat(losses: Mapping[str, Loss]) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for name, loss in losses.items():
        flat |= {name: loss} if isinstance(loss, Tensor) else {f"{name}/{group}": part for group, part in loss.items()}
    return flat
