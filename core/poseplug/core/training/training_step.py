"""One training step, put together from whatever parts a run has: how a batch is drawn, and what is then updated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.step import Stream
from poseplug.core.hooks import HookSet
from poseplug.core.interfaces import (
    ROOTS,
    Augmentation,
    AugmentorFeedback,
    Discriminator,
    InputProvider,
    PoseSource,
    RootEstimator,
)
from poseplug.core.models.modes import evaluating, frozen
from poseplug.core.storage.tensor_file import under
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.lifter_step import add_fakes
from poseplug.core.training.pose_buffer import PoseBuffer
from poseplug.core.training.roles import Role
from poseplug.core.training.schedule import Moment, Phase, Training
from poseplug.core.training.trained_inputs import Seam


class TrainingStep:
    """Draws, augments, weighs, and updates each role once.

    Args:
        roles: those that are trained, by name; see ``Assembly.trained``.
        training: of each seed; says how many poses, or scenes, are drawn, and how they go through the lifter.
        generator: for everything that is drawn.
        hooks: may look at, or replace, the poses of a step.
    """

    def __init__(
        self, assembly: Assembly, roles: dict[str, Role], training: Training, generator: torch.Generator, hooks: HookSet
    ) -> None:
        self.assembly = assembly
        self.roles = roles
        self.batch_size = training.batch_size * assembly.seeds
        self.one_pass = training.passes == "joint"
        bf16 = training.precision == "bf16"
        self.autocast = partial(torch.autocast, generator.device.type, dtype=torch.bfloat16, enabled=bf16)
        self.generator = generator
        self.hooks = hooks
        self.buffer = PoseBuffer(assembly.source.skeleton)
        # The lifter's losses in the last step of each of several seeds: name -> [S], without gradient.
        self.by_seed: dict[str, Tensor] = {}
        # People who were drawn so far, reference poses among them.
        self.people = 0
        for augmentor in assembly.augmentors:
            if augmentor.asks_lifter:
                augmentor.lift = self._asked

    def run(self, moment: Moment) -> dict[str, Tensor]:
        """Take the step and return its named losses and logs, detached, on the device."""
        parts, phase = self.assembly, moment.phase
        self.by_seed = {}
        drawn = parts.source.sample(self.batch_size, self.generator)
        if not len(drawn):  # scenes without anybody teach nothing
            return {}
        reference = None
        if parts.uses_reference and parts.reference is not None:
            reference = parts.reference.sample(self.batch_size, self.generator)
        self.people += len(drawn) + (0 if reference is None else len(reference))
        augmentations = self._augment(drawn, phase)
        if phase.keep and augmentations:
            self.buffer.add(augmentations[-1])
        poses = self._poses(moment, drawn, augmentations)
        logs, fakes = self._train_model(poses, reference, moment)
        # What each augmentor that learns was given, and what it made of it.
        given = [drawn, *(augmentation.batch.detached() for augmentation in augmentations[:-1])]
        made = {i: (given[i], augmentations[i]) for i in range(len(augmentations)) if f"augmentor{i}" in self.roles}
        logs |= self._train_augmentors(made, moment)
        for i, augmentor in enumerate(parts.augmentors[: len(augmentations)]):
            if i not in made:  # it learns nothing, and may have counted something
                logs |= under(f"augmentor{i}", augmentor.logs())
        if made:
            _, last = made[max(made)]
            for name, discriminator in parts.discriminators.items():
                add_fakes(fakes, name, _judged(discriminator, last).detached())
        # Plain augmentation before the first that learns makes real poses: it says what the world looks like.
        plain = given[min(made, default=0)]
        logs |= self._train_discriminators(plain if reference is None else reference, fakes, moment)
        if poses.scenes is not None and poses.scenes.most > 1:
            logs["people"] = torch.full((), len(poses) / poses.num_scenes, device=poses.device)
        return {name: value.detach() for name, value in logs.items()}

    def _augment(self, batch: PoseBatch, phase: Phase) -> list[Augmentation]:
        """Return what each augmentor makes of the poses, one after the other, if the phase has any use for it."""
        learning = any(phase.groups(role) is not None for role in ("augmentor", "discriminator"))
        augmentations: list[Augmentation] = []
        if phase.poses == "augmented" or phase.keep or learning:
            for augmentor in self.assembly.augmentors:
                augmentations.append(augmentor.augment(batch, self.generator))
                batch = augmentations[-1].batch
        return augmentations

    def _poses(self, moment: Moment, drawn: PoseBatch, augmentations: Sequence[Augmentation]) -> PoseBatch:
        """Return what the lifter trains on; where no pose was accepted to be kept, drawn ones."""
        poses = drawn
        if moment.phase.poses == "kept":
            poses = self.buffer.sample(self.batch_size, self.generator) or drawn
        elif moment.phase.poses == "augmented" and augmentations:
            poses = augmentations[-1].batch.detached()
        return self.hooks.replace_batch(moment.step + 1, poses)

    def _train_model(
        self, poses: PoseBatch, reference: PoseBatch | None, moment: Moment
    ) -> tuple[dict[str, Tensor], dict[str, PoseBatch]]:
        """Update lifter, root estimator and inputs, in this order; return logs, and the fakes of the objective."""
        logs: dict[str, Tensor] = {}
        fakes: dict[str, PoseBatch] = {}
        phase, inputs, seam = moment.phase, self.assembly.model.inputs, Seam()
        lifter, root, learned = (self.roles.get(name) for name in ("lifter", "root", "input"))
        names = learned.groups_in(phase) if learned is not None and learned.due(moment) else frozenset[str]()
        # Inputs with noise are for what learns from them: augmentors are told what an evaluation would say.
        with inputs.shared(), inputs.drawing(self.generator), inputs.learning(names, seam.cut):
            if lifter is not None and lifter.trained_in(phase):
                logs, fakes = self._train_lifter(lifter, poses, reference, moment, seam)
            if root is not None and root.due(moment):
                logs |= self._train_root(root, poses, phase, seam)
            if learned is not None and names:
                logs |= self._train_inputs(learned, poses, phase, seam)
        return logs, fakes

    def _train_lifter(
        self, role: Role, poses: PoseBatch, reference: PoseBatch | None, moment: Moment, seam: Seam
    ) -> tuple[dict[str, Tensor], dict[str, PoseBatch]]:
        parts, due = self.assembly, role.due(moment)
        if not due and not parts.objective.needs_discriminator:
            return {}, {}
        if ROOTS in parts.model.lifter.reads:
            parts.model.estimate(poses)  # in full precision, and shared with what trains the root estimator
        streams = self._streams(poses, reference)
        losses, fakes, own = parts.lifter_step(streams, self.generator, moment.progress, self.one_pass, self.autocast)
        if due:
            role.update(losses, moment.phase, seam.leaves)
        logs = under("lifter", own)
        if parts.reweighter is not None:
            logs |= under("reweighter", parts.reweighter.logs())
        flat: dict[str, Tensor] = {}
        for name, loss in losses.items():
            flat |= {name: loss} if isinstance(loss, Tensor) else under(name, loss)
        if parts.stack is not None:  # what was one number for each seed: losses, then logs
            self.by_seed = dict(zip([*flat, *under("lifter", own)], parts.stack.numbers, strict=True))
        return logs | flat, fakes

    def _streams(self, poses: PoseBatch, reference: PoseBatch | None) -> tuple[Stream, ...]:
        """Return what the lifter learns from, with the weights that the reweighter gives."""
        parts, weights = self.assembly, dict[str, Tensor]()
        if parts.reweighter is not None and reference is not None:
            with torch.no_grad():
                weights |= parts.reweighter.weigh(poses, reference)
        training = Stream("training", self._visible(poses), weights.get("training"))
        if reference is None or parts.reference_weight <= 0:
            return (training,)
        shown, factor = self._visible(reference), parts.reference_weight
        return training, Stream("reference", shown, weights.get("reference"), factor)

    def _visible(self, batch: PoseBatch) -> PoseBatch:
        """What the objective may see: an objective that needs no 3D labels is never shown any."""
        return batch if self.assembly.objective.needs_3d else attrs.evolve(batch, joints_3d=None)

    def _train_root(self, role: Role, poses: PoseBatch, phase: Phase, seam: Seam) -> dict[str, Tensor]:
        root, inputs = cast(RootEstimator, role.module), self.assembly.model.inputs
        losses = root.loss(self.assembly.model.estimate(poses), poses, **inputs.read(root.reads, poses))
        role.update(losses, phase, seam.leaves)
        return under("root", {**losses, **root.logs()})

    def _train_inputs(self, role: Role, poses: PoseBatch, phase: Phase, seam: Seam) -> dict[str, Tensor]:
        """Update trained inputs by their own losses, and by what lifter and root estimator have learned from them."""
        inputs, losses = self.assembly.model.inputs, dict[str, Tensor]()
        for name in sorted(role.groups_in(phase)):
            provider = inputs.providers[name]
            if type(provider).loss is not InputProvider.loss:
                inputs.read([provider.provides or name], poses)  # it may have no reader
                losses |= under(name, seam.judge(provider, poses, inputs.read(provider.reads, poses)))
        with role.updating(phase) as parameters:
            seam.send_back(parameters)
        return under("input", {**losses, **role.module.logs()})

    def _train_augmentors(
        self, made: Mapping[int, tuple[PoseBatch, Augmentation]], moment: Moment
    ) -> dict[str, Tensor]:
        """Update the augmentors, with lifter and discriminators frozen; return losses and logs."""
        parts, logs = self.assembly, dict[str, Tensor]()
        for i, (given, augmentation) in made.items():
            role, augmentor = self.roles[f"augmentor{i}"], parts.augmentors[i]
            if not role.trained_in(moment.phase):
                continue
            said = {}
            with frozen(parts.model):
                for name, discriminator in parts.discriminators.items():
                    with frozen(discriminator):
                        said[name] = discriminator.adversarial_loss(discriminator(_judged(discriminator, augmentation)))
                feedback = AugmentorFeedback(given, said, self._evaluated, moment.progress, moment.cycle)
                losses = augmentor.loss(augmentation, feedback)
                if role.due(moment):
                    role.update(losses, moment.phase)
            if augmentation.accepted is not None:
                logs[f"augmentor{i}/accepted"] = augmentation.accepted.float().mean()
            logs |= under(f"augmentor{i}", {**losses, **augmentor.logs()})
        return logs

    def _evaluated(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter would say in evaluation: metres, also where it is trained on something else."""
        with self.autocast():
            return self.assembly.model.predict(batch).float()

    @torch.no_grad()
    def _asked(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter would say in evaluation, for an augmentor that chooses by it."""
        with evaluating(self.assembly.model):
            return self._evaluated(batch.detached())

    def _train_discriminators(self, real: PoseBatch, fakes: dict[str, PoseBatch], moment: Moment) -> dict[str, Tensor]:
        """Update the discriminators for which there are fakes; return losses and logs."""
        logs = {}
        for i, (name, discriminator) in enumerate(self.assembly.discriminators.items()):
            role = self.roles.get(f"discriminator{i}")
            if name not in fakes or role is None or not role.due(moment):
                continue
            fake = discriminator.remember(fakes[name], self.generator)
            genuine = discriminator.real(real, self.generator)
            loss = discriminator.loss(discriminator(genuine), discriminator(fake), self.generator)
            role.update({"loss": loss}, moment.phase)
            logs[f"discriminator/{name}"] = loss
            logs |= under(f"discriminator/{name}", discriminator.logs())
        return logs


class AugmentedSource(PoseSource):
    """What the lifter is trained on, as a source: the run's poses after its augmentors."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        source = assembly.source
        self.skeleton, self.has_3d, self.label_names = source.skeleton, source.has_3d, source.label_names
        self.has_images = source.has_images and not assembly.augmentors

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        batch = self.assembly.source.sample(n, generator)
        with torch.no_grad():
            for augmentor in self.assembly.augmentors:
                batch = augmentor.augment(batch, generator).batch
        return batch


def _judged(discriminator: Discriminator, augmentation: Augmentation) -> PoseBatch:
    """Return the stage of an augmentation that a discriminator judges; the final poses where there is no such stage."""
    return augmentation.stages.get(discriminator.stage, augmentation.batch)
