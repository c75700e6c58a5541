"""What discriminators promise besides what every component does."""

from __future__ import annotations

from typing import Any

from poseplug.core.models.modes import frozen
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_poses, check_tensor
from poseplug.registry.conformance.verdict import promise


def use(part: Any, occasion: Occasion) -> Tensors:
    """Judge real poses and fakes, take both losses, and check their form."""
    n, device = len(occasion.poses), occasion.poses.device
    real = check_tensor(part(occasion.poses), (n, None), device, "the scores")
    with frozen(part):
        adversarial_loss = check_tensor(part.adversarial_loss(part(occasion.others)), (), device, "adversarial_loss")
    return {"scores": real, "adversarial_loss": adversarial_loss, **train(part, occasion)}


def train(part: Any, occasion: Occasion) -> Tensors:
    """Return the loss that trains the discriminator."""
    poses = occasion.poses
    fake = part.remember(occasion.others, occasion.generator)
    real = part.real(poses, occasion.generator)
    check_poses(real, len(real), poses.skeleton, poses.device, "what real returns")
    return {"loss": check_tensor(part.loss(part(real), part(fake), occasion.generator), (), poses.device, "loss")}


@promise("memory", "remember returns as many valid poses as it is given, from the first call on")
def memory(subject: Subject) -> None:
    """Hand it several batches of fakes."""
    part = subject.ready()
    for seed in range(4):
        occasion = ordinary(16, subject.device, seed=seed)
        kept = part.remember(occasion.others, occasion.generator)
        check_poses(kept, 16, occasion.others.skeleton, subject.device, "what remember returns")
