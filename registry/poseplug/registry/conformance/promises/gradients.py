"""Promises about gradients: where they must flow, and where they must not."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.models.modes import frozen, trainable
from poseplug.registry.conformance.poses import ordinary
from poseplug.registry.conformance.subject import Subject, set_training
from poseplug.registry.conformance.tensors import send_gradient_back
from poseplug.registry.conformance.verdict import NotChecked, promise, require, some


@promise(
    "gradients",
    "gradients reach all that is to be trained, and the poses where others learn through it",
    kinds=["augmentor", "lifter", "discriminator", "root", "objective", "detector"],
)
def gradients(subject: Subject) -> None:
    """Take the loss of each kind and see which tensors get a gradient.

    A lifter and a discriminator, frozen, also pass gradients on to the poses: augmentors and objectives learn from it.
    """
    part = set_training(subject.ready(), True)
    if subject.kind == "objective":
        apart = [name for name, loss in subject.use(part).items() if not loss.requires_grad]
        require(not apart, f"loss {some(apart)} carries no gradient to the lifter")
        return
    if not trainable(part):
        raise NotChecked("has no parameters to train")
    losses = subject.of_kind.train(part, ordinary(8, subject.device))
    require(send_gradient_back(losses), "its loss carries no gradient")
    missing = [name for name, p in part.named_parameters() if p.requires_grad and p.grad is None]
    require(not missing, f"no gradient reaches {some(missing)}")
    part.zero_grad(set_to_none=True)
    # What a lifter is to learn of others than key points, others make.
    if subject.kind == "discriminator" or (subject.kind == "lifter" and part.normalisation is not None):
        reached = _passed_on(part, subject)
        require(reached is not None and bool(reached.any()), "frozen, it passes no gradient on to the poses")


def _passed_on(part: Any, subject: Subject) -> Tensor | None:
    """Return the gradient that reaches the joints through a frozen component."""
    occasion = ordinary(8, subject.device)
    joints = occasion.poses.absolute.clone().requires_grad_()
    moved = occasion.poses.moved(joints)
    with frozen(part):
        if subject.kind == "discriminator":
            send_gradient_back({"adversarial_loss": part.adversarial_loss(part(moved))})
        else:
            send_gradient_back(subject.use(part, attrs.evolve(occasion, poses=moved)))
    return joints.grad


@promise(
    "no-gradients",
    "what it returns carries no gradient where none was asked for, and frozen it collects none",
    kinds=["source", "augmentor", "reweighter", "lifter", "discriminator", "root", "detector"],
)
def no_gradients(subject: Subject) -> None:
    """Use it as the engine does where nothing is to be learnt.

    Poses from a source, weights, and the output of an augmentor that is not trained never carry one, even where
    gradients are being recorded.
    """
    part = set_training(subject.ready(), True)
    never = subject.kind in ("source", "reweighter") or (subject.kind == "augmentor" and not trainable(part))
    with torch.set_grad_enabled(never):
        results = subject.use(part)
    carrying = [name for name, tensor in results.items() if tensor.requires_grad]
    require(not carrying, f"a gradient is attached to {some(carrying)}")
    if subject.kind in ("lifter", "discriminator"):
        part.zero_grad(set_to_none=True)
        _passed_on(part, subject)
        collected = [name for name, p in part.named_parameters() if p.grad is not None]
        require(not collected, f"frozen, a gradient was collected in {some(collected)}")
