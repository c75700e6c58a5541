"""One training step, put together from whatever parts a run has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import attrs
import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.normalise import extents
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import Augmentation, AugmentorFeedback, Discriminator, Loss, PoseSource, Step
from poseplug.core.models.inputs import gather_inputs
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.optimisation import Role, frozen
from poseplug.core.training.pose_buffer import KeptPoses
from poseplug.core.training.schedule import Moment, Phase


class StepRunner:
    """Draws, augments, weighs, and updates each role once.

    Args:
        assembly: the parts.
        roles: by name: "lifter", "root", "augmentor<i>", "discriminator<i>", those of them that are trained.
        batch_size: poses drawn a step, and reference poses where they are used.
        generator: for everything that is drawn.
        autocast: the context manager factory that the lifter computes in.
        hooks: may look at, or replace, the poses of a step.
    """

    def __init__(
        self,
        assembly: Assembly,
        roles: Mapping[str, Role],
        batch_size: int,
        generator: torch.Generator,
        autocast: Callable[[], AbstractContextManager[object]],
        hooks: HookSet,
    ) -> None:
        self.assembly = assembly
        self.roles = roles
        self.batch_size = batch_size
        self.generator = generator
        self.autocast = autocast
        self.hooks = hooks
        self.kept = KeptPoses(assembly.source.skeleton)

    def run(self, index: int, progress: float, moment: Moment) -> dict[str, Tensor]:
        """Take step ``index`` and return its named losses and logs, detached, on the device."""
        parts, phase = self.assembly, moment.phase
        drawn = parts.source.sample(self.batch_size, self.generator)
        reference = None
        if parts.uses_reference and parts.reference is not None:
            reference = parts.reference.sample(self.batch_size, self.generator)
        augmentations = apply_augmentors(parts, drawn, self.generator) if self._augments(phase) else []
        if phase.keep and augmentations:
            self.kept.add(augmentations[-1])
        logs: dict[str, Tensor] = {}
        fakes: dict[str, PoseBatch] = {}
        poses = self._poses(phase, drawn, augmentations)
        if self.hooks.listens("on_batch"):
            replaced = [batch for batch in self.hooks.call("on_batch", index + 1, poses) if batch is not None]
            poses = replaced[-1] if replaced else poses
        if "lifter" in phase.trains:
            logs |= self._train_lifter(poses, reference, fakes, progress, phase)
        if "root" in phase.trains and "root" in self.roles:
            logs |= self._train_root(poses, phase)
        if "augmentor" in phase.trains:
            logs |= self._train_augmentors(index, drawn, augmentations, progress, moment)
        if "discriminator" in phase.trains:
            for name, made in self._fakes(augmentations).items():
                fakes[name] = _joined(fakes[name], made) if name in fakes else made
            real = self._real(drawn, augmentations) if reference is None else reference
            logs |= self._train_discriminators(index, real, fakes, phase)
        return {name: value.detach() for name, value in logs.items()}

    def _augments(self, phase: Phase) -> bool:
        """Whether a phase has any use for augmented poses."""
        learning = not {"augmentor", "discriminator"}.isdisjoint(phase.trains)
        return phase.poses == "augmented" or phase.keep or learning

    def _poses(self, phase: Phase, drawn: PoseBatch, augmentations: list[Augmentation]) -> PoseBatch:
        """Return what the lifter trains on; where no pose was accepted to be kept, drawn ones."""
        if phase.poses == "kept":
            return self.kept.sample(self.batch_size, self.generator) or drawn
        return _detached(augmentations[-1].batch) if augmentations and phase.poses == "augmented" else drawn

    def _train_lifter(
        self, poses: PoseBatch, reference: PoseBatch | None, fakes: dict[str, PoseBatch], progress: float, phase: Phase
    ) -> dict[str, Tensor]:
        parts, logs = self.assembly, dict[str, Tensor]()
        weights = None
        if parts.reweighter is not None and reference is not None:
            with torch.no_grad():
                weights = parts.reweighter.weigh(poses, reference)
            logs |= {f"reweighter/{name}": value for name, value in weights.log.items()}
        shown = reference if parts.objective.uses_reference(parts.reweighter is not None) else None
        step = Step(
            poses=self._visible(poses),
            reference=None if shown is None else self._visible(shown),
            weights=weights,
            lift=self._lift,
            realism=partial(self._realism, fakes),
            generator=self.generator,
            progress=progress,
            groups=parts.model.lifter.group_joints(),
            replicas=parts.replicas,
        )
        losses = parts.objective.loss(step)
        self.roles["lifter"].update(losses, parts.model.lifter.parameter_groups(), phase.lr_factor)
        return logs | _flat(losses)

    def _visible(self, batch: PoseBatch) -> PoseBatch:
        """What the objective may see: an objective that needs no 3D labels is never shown any."""
        return batch if self.assembly.objective.needs_3d else attrs.evolve(batch, joints_3d=None)

    def _lift(self, batch: PoseBatch) -> Tensor:
        with self.autocast():
            joints: Tensor = self.assembly.model(batch)
        return joints.float() if joints.dtype is torch.bfloat16 else joints

    def _realism(self, fakes: dict[str, PoseBatch], stage: str, batch: PoseBatch) -> dict[str, Tensor]:
        """Judge what an objective made, and keep it as the fakes that the discriminators learn from."""
        scores = {}
        for name, discriminator in self.assembly.discriminators.items():
            if stage in (discriminator.stage, "final"):
                with frozen(discriminator):
                    scores[name] = discriminator.realism(discriminator(batch))
                fakes[name] = _detached(batch)
        return scores

    def _train_root(self, poses: PoseBatch, phase: Phase) -> dict[str, Tensor]:
        root = self.assembly.model.root
        assert root is not None
        losses = root.loss(poses, **gather_inputs(root.reads, poses))
        self.roles["root"].update(losses, lr_factor=phase.lr_factor)
        return {f"root/{name}": value for name, value in losses.items()}

    def _train_augmentors(
        self,
        index: int,
        drawn: PoseBatch,
        augmentations: list[Augmentation],
        progress: float,
        moment: Moment,
    ) -> dict[str, Tensor]:
        logs: dict[str, Tensor] = {}
        made = zip(self.assembly.augmentors, _given(drawn, augmentations), augmentations, strict=True)
        for i, (augmentor, source, augmentation) in enumerate(made):
            role = self.roles.get(f"augmentor{i}")
            if role is None:
                continue
            realism = {}
            with frozen(self.assembly.model):
                for name, discriminator in self.assembly.discriminators.items():
                    with frozen(discriminator):
                        realism[name] = discriminator.realism(discriminator(_judged(discriminator, augmentation)))
                feedback = AugmentorFeedback(source, realism, self._relative_lift, progress, moment.cycle)
                losses = augmentor.loss(augmentation, feedback)
                if role.due(index):
                    role.update(losses, lr_factor=moment.phase.lr_factor)
            if augmentation.accepted is not None:
                logs[f"augmentor{i}/accepted"] = augmentation.accepted.float().mean()
            logs |= {f"augmentor{i}/{name}": value for name, value in {**losses, **augmentor.logs()}.items()}
        return logs

    def _fakes(self, augmentations: list[Augmentation]) -> dict[str, PoseBatch]:
        """Return what each discriminator is to tell from real poses: its stage of the last trained augmentor's work."""
        learning = [made for i, made in enumerate(augmentations) if f"augmentor{i}" in self.roles]
        discriminators = self.assembly.discriminators if learning else {}
        return {name: _detached(_judged(d, learning[-1])) for name, d in discriminators.items()}

    def _real(self, drawn: PoseBatch, augmentations: list[Augmentation]) -> PoseBatch:
        """Return what counts as real without a reference: what the first trained augmentor was given.

        Then discriminators cannot tell fakes by what untrained augmentors before it do, as by other bone lengths.
        """
        given = enumerate(_given(drawn, augmentations))
        return next((batch for i, batch in given if f"augmentor{i}" in self.roles), drawn)

    def _relative_lift(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter would say in evaluation: metres, also where it is trained on depth only."""
        with self.autocast():
            return self.assembly.model.predict(batch).float()

    def _train_discriminators(
        self, index: int, real: PoseBatch, fakes: dict[str, PoseBatch], phase: Phase
    ) -> dict[str, Tensor]:
        logs = {}
        for i, (name, discriminator) in enumerate(self.assembly.discriminators.items()):
            role = self.roles[f"discriminator{i}"]
            if name in fakes and role.due(index):
                fake = discriminator.remember(fakes[name], self.generator)
                genuine = discriminator.real(real, self.generator)
                loss = discriminator.loss(discriminator(genuine), discriminator(fake))
                role.update({"loss": loss}, lr_factor=phase.lr_factor)
                logs[f"discriminator/{name}"] = loss
                logs |= {f"discriminator/{name}/{figure}": value for figure, value in discriminator.logs().items()}
        return logs


class AugmentedSource(PoseSource):
    """What the lifter is trained on, as a source: the run's poses after its augmentors."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.skeleton = assembly.source.skeleton

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


def _given(drawn: PoseBatch, augmentations: list[Augmentation]) -> list[PoseBatch]:
    """Return what each augmentor was given: the drawn poses, or what the one before it made of them."""
    return [drawn, *(_detached(augmentation.batch) for augmentation in augmentations)][:-1]


def _judged(discriminator: Discriminator, augmentation: Augmentation) -> PoseBatch:
    """Return the stage of an augmentation that a discriminator judges; the final poses where there is no such stage."""
    return augmentation.stages.get(discriminator.stage, augmentation.batch)


def _detached(batch: PoseBatch) -> PoseBatch:
    if not batch.joints_2d.requires_grad and (batch.joints_3d is None or not batch.joints_3d.requires_grad):
        return batch
    joints_3d = None if batch.joints_3d is None else batch.joints_3d.detach()
    return attrs.evolve(batch, joints_2d=batch.joints_2d.detach(), joints_3d=joints_3d)


def _joined(one: PoseBatch, other: PoseBatch) -> PoseBatch:
    """Return the fakes of an objective and of an augmentor, each with the extent that it is seen with."""
    if one.extent is None and other.extent is None:
        return PoseBatch.join([one, other])
    return PoseBatch.join([_with_extent(one), _with_extent(other)])


def _with_extent(batch: PoseBatch) -> PoseBatch:
    if batch.extent is not None:
        return batch
    return attrs.evolve(batch, extent=extents(batch.joints_2d, batch.skeleton.root))


def _flat(losses: Mapping[str, Loss]) -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for name, loss in losses.items():
        flat |= {name: loss} if isinstance(loss, Tensor) else {f"{name}/{group}": part for group, part in loss.items()}
    return flat
