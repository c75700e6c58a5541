"""What objectives promise besides what every component does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import OutputHead, Step, Stream
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.randomness import seed_globally
from poseplug.registry.conformance.stand_ins import adversarial_loss, stand_in_model
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_equal, check_finite, check_scalars, check_tensor
from poseplug.registry.conformance.verdict import NotChecked, promise, require

Judge = Callable[[str, PoseBatch], Mapping[str, Tensor]]


def use(part: Any, occasion: Occasion) -> Tensors:
    """Ask for its output head, take the loss of a step without and of one with a reweighter, and check its form."""
    lift = stand_in_model(occasion.poses.skeleton, occasion.poses.device)
    part.output_head(lift.lifter, lift.skeleton)
    losses: Tensors = {}
    for reweighted in (False, True):
        of_step = _losses(part, _step(part, occasion, reweighted))
        losses |= {f"{name} (reweighted: {reweighted})": value for name, value in of_step.items()}
    return losses


def _step(part: Any, occasion: Occasion, reweighted: bool, judge: Judge | None = None) -> Step:
    """Return the step that the engine would show to an objective."""
    streams = [Stream("training", _visible(part, occasion.poses))]
    if reweighted:
        weights = torch.linspace(0, 2, len(occasion.others), device=occasion.poses.device)
        streams.append(Stream("reference", _visible(part, occasion.others), weights))
    lift = stand_in_model(occasion.poses.skeleton, occasion.poses.device)
    judge = judge or (lambda stage, poses: adversarial_loss(poses))
    return Step(tuple(streams), lift, judge, occasion.generator, 0.5)


def _visible(part: Any, poses: PoseBatch) -> PoseBatch:
    return poses if part.needs_3d else attrs.evolve(poses, joints_3d=None)


def _losses(part: Any, step: Step) -> Tensors:
    return check_scalars(part.loss(step), step.poses.device, "loss", groups=True)


@promise("blind", "an objective with needs_3d = False never looks at joints_3d", needs=("seeded",))
def blind(subject: Subject) -> None:
    """Put other 3D joints, and then NaN, in place of None: the loss must not change."""
    part = subject.ready()
    if part.needs_3d:
        raise NotChecked("needs 3D")
    results = []
    for factor in (None, 1.0, float("nan")):
        occasion = ordinary(8, subject.device)
        step = _step(part, occasion, reweighted=True)
        if factor is not None:
            shown = attrs.evolve(step.poses, joints_3d=occasion.poses.absolute * factor)
            step = attrs.evolve(step, streams=(Stream("training", shown), *step.streams[1:]))
        seed_globally(7)
        results.append(_losses(part, step))
    for other in results[1:]:
        check_equal(results[0], other, "the loss depends on joints_3d")


@promise("declared", "it calls step.adversarial_loss if, and only if, it has needs_discriminator = True")
def declared(subject: Subject) -> None:
    """Count the calls in a few steps."""
    part = subject.ready()
    calls = []

    def judge(stage: str, poses: PoseBatch) -> Mapping[str, Tensor]:
        calls.append(stage)
        return adversarial_loss(poses)

    for reweighted in (False, True):
        part.loss(_step(part, ordinary(8, subject.device), reweighted, judge))
    called = "calls step.adversarial_loss" if calls else "never calls step.adversarial_loss"
    require(bool(calls) == part.needs_discriminator, f"{called}, but needs_discriminator is {part.needs_discriminator}")


@promise(
    "head", "an output head that it declares makes poses of what is lifted, and reports what it was calibrated with"
)
def head(subject: Subject) -> None:
    """Read poses from outputs, calibrate, and read them again."""
    part, occasion = subject.ready(), ordinary(16, subject.device)
    poses = occasion.poses
    model = stand_in_model(poses.skeleton, subject.device)
    made = part.output_head(model.lifter, poses.skeleton)
    if made is None:
        return
    complaint = f"output_head returned a {type(made).__name__}; expected an OutputHead or None"
    require(isinstance(made, OutputHead), complaint)
    made = made.to(subject.device)
    output = model(poses).detach()
    for _ in range(2):
        joints = check_tensor(made(poses, output), (16, poses.skeleton.num_joints, 3), subject.device, "what it reads")
        check_finite({"joints": joints}, "as read by the head")
        for name, value in made.calibrate(poses, output).items():
            require(value.numel() == 1, f"calibration '{name}' is no scalar")
