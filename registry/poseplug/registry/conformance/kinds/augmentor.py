"""What augmentors promise besides what every component does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import Augmentation, AugmentorFeedback
from poseplug.core.models.modes import frozen, trainable
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.stand_ins import adversarial_loss, stand_in_model
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_poses, check_scalars, check_tensor, tensors_of
from poseplug.registry.conformance.verdict import Broken, promise, require


def use(part: Any, occasion: Occasion) -> Tensors:
    """Augment the poses, and take the loss of an augmentor that is trained; check the form of both."""
    augmentation = _augment(part, occasion)
    results = tensors_of({"batch": augmentation.batch, "stages": augmentation.stages})
    return results | train(part, occasion, augmentation)


def train(part: Any, occasion: Occasion, augmentation: Augmentation | None = None) -> Tensors:
    """Return the losses of an augmentor that is trained."""
    if not trainable(part):
        return {}
    augmentation = augmentation or _augment(part, occasion)
    judged = {"final": augmentation.batch, **augmentation.stages}
    scores = {name: adversarial_loss(batch)["stand_in"] for name, batch in judged.items()}
    model = stand_in_model(occasion.poses.skeleton, occasion.poses.device)

    def lift(batch: PoseBatch) -> Tensor:
        joints: Tensor = model(batch)
        return joints - joints[:, batch.skeleton.root, None]

    with frozen(model):
        feedback = AugmentorFeedback(occasion.poses, scores, lift, 0.5)
        return check_scalars(part.loss(augmentation, feedback), occasion.poses.device, "loss")


def _augment(part: Any, occasion: Occasion) -> Augmentation:
    poses = occasion.poses
    augmentation = part.augment(poses, occasion.generator)
    if not isinstance(augmentation, Augmentation):
        raise Broken(f"augment returned a {type(augmentation).__name__}; expected an Augmentation")
    n = len(augmentation.batch)
    require(n >= len(poses), f"augment made {n} poses of {len(poses)}; expected as many or more")
    require(augmentation.batch.joints_3d is not None, "augment dropped joints_3d")
    check_poses(augmentation.batch, n, poses.skeleton, poses.device, "the augmented batch")
    for name, stage in augmentation.stages.items():
        check_poses(stage, len(stage), poses.skeleton, poses.device, f"stage '{name}'")
    if augmentation.accepted is not None:
        check_tensor(augmentation.accepted, (n,), poses.device, "accepted", torch.bool)
    return augmentation


@promise("labels", "augmented poses keep their labels")
def labels(subject: Subject) -> None:
    """Compare the labels before and after: the same ones, and no class that was not there."""
    occasion = ordinary(16, subject.device)
    made = subject.ready().augment(occasion.poses, occasion.generator).batch
    before, after = occasion.poses.labels, made.labels
    require(before.keys() == after.keys(), f"labels {sorted(before)} became {sorted(after)}")
    for name in before:
        new = set(after[name].tolist()) - set(before[name].tolist())
        require(not new, f"label '{name}' got classes {sorted(new)}, which the poses did not have")
