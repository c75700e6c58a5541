"""What objectives promise besides what every component does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.interfaces import Step, Weights
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.randomness import seed_globally
from poseplug.registry.conformance.stand_ins import realism, stand_in_model
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_equal, check_scalars, check_tensor
from poseplug.registry.conformance.verdict import Broken, NotChecked, promise, require

Lift = Callable[[PoseBatch], Tensor]
Judge = Callable[[str, PoseBatch], Mapping[str, Tensor]]


def use(part: Any, occasion: Occasion) -> Tensors:
    """Take the loss of a step without and of one with a reweighter, and check its form."""
    lift = stand_in_model(occasion.poses.skeleton, occasion.poses.device)
    losses: Tensors = {}
    for reweighted in (False, True):
        step = make_step(part, occasion, lift, reweighted)
        losses |= {f"{name} (reweighted: {reweighted})": value for name, value in scalars(part, step).items()}
    return losses


def make_step(part: Any, occasion: Occasion, lift: Lift, reweighted: bool, judge: Judge | None = None) -> Step:
    """Return the step that the engine would show to an objective."""
    uses_reference = part.uses_reference(reweighted)
    if not isinstance(uses_reference, bool):
        raise Broken(f"uses_reference returned a {type(uses_reference).__name__}; expected True or False")
    reference = _visible(part, occasion.others) if uses_reference else None
    weights = None
    if reweighted:
        device = occasion.poses.device
        weights = Weights(reference=torch.linspace(0, 2, len(occasion.others), device=device))
    judge = judge or (lambda stage, poses: realism(poses))
    return Step(_visible(part, occasion.poses), reference, weights, lift, judge, occasion.generator, 0.5)


def _visible(part: Any, poses: PoseBatch) -> PoseBatch:
    return poses if part.needs_3d else attrs.evolve(poses, joints_3d=None)


def scalars(part: Any, step: Step) -> Tensors:
    """Return all scalars of the loss, those of a parameter group under "name/group"."""
    losses, device = part.loss(step), step.poses.device
    if not isinstance(losses, Mapping):
        raise Broken(f"loss is a {type(losses).__name__}; expected a mapping of names to scalars")
    require(losses, "loss is empty; expected at least one scalar")
    flat: Tensors = {}
    for name, value in losses.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}/{group}": s for group, s in check_scalars(value, device, f"loss '{name}'").items()}
        else:
            flat[name] = check_tensor(value, (), device, f"loss '{name}'")
    return flat


@promise("blind", "an objective with needs_3d = False never looks at joints_3d", kinds=["objective"], needs=("seeded",))
def blind(subject: Subject) -> None:
    """Put other 3D joints, and then NaN, in place of None: the loss must not change."""
    part = subject.ready()
    if part.needs_3d:
        raise NotChecked("needs 3D")
    lift = stand_in_model(ordinary(1, subject.device).poses.skeleton, subject.device)
    results = []
    for factor in (None, 1.0, float("nan")):
        occasion = ordinary(8, subject.device)
        step = make_step(part, occasion, lift, reweighted=True)
        if factor is not None:
            shown = attrs.evolve(step.poses, joints_3d=occasion.poses.absolute * factor)
            step = attrs.evolve(step, poses=shown)
        seed_globally(7)
        results.append(scalars(part, step))
    for other in results[1:]:
        check_equal(results[0], other, "the loss depends on joints_3d")


@promise("declared", "it calls step.realism if, and only if, it has needs_discriminator = True", kinds=["objective"])
def declared(subject: Subject) -> None:
    """Count the calls in a few steps."""
    part = subject.ready()
    lift = stand_in_model(ordinary(1, subject.device).poses.skeleton, subject.device)
    calls = []

    def judge(stage: str, poses: PoseBatch) -> Mapping[str, Tensor]:
        calls.append(stage)
        return realism(poses)

    for reweighted in (False, True):
        part.loss(make_step(part, ordinary(8, subject.device), lift, reweighted, judge))
    called = "calls step.realism" if calls else "never calls step.realism"
    require(bool(calls) == part.needs_discriminator, f"{called}, but needs_discriminator is {part.needs_discriminator}")


@promise(
    "depth",
    "an objective with depth_only = True looks at nothing but z of what is lifted, about the root",
    kinds=["objective"],
    needs=("seeded",),
)
def depth(subject: Subject) -> None:
    """Change x and y of what is lifted, and move it in depth: the loss must not change."""
    part = subject.ready()
    if not part.depth_only:
        return
    lift = stand_in_model(ordinary(1, subject.device).poses.skeleton, subject.device)
    moves: list[Lift] = [lift, lambda poses: lift(poses) + 1]
    results = []
    for moved in moves:
        seed_globally(7)
        results.append(scalars(part, make_step(part, ordinary(8, subject.device), moved, reweighted=False)))
    check_equal(results[0], results[1], "the loss depends on more than depth about the root", exact=False)


PROMISES = (blind, declared, depth)
