"""Promises about people who share scenes."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.registry.conformance.kinds import root
from poseplug.registry.conformance.poses import crowded, pictured
from poseplug.registry.conformance.randomness import seed_globally
from poseplug.registry.conformance.stand_ins import sees_scenes
from poseplug.registry.conformance.subject import Subject, set_training
from poseplug.registry.conformance.tensors import Tensors, check_equal
from poseplug.registry.conformance.verdict import promise, require

# Of these, one that is not about scenes does with people who share some what it does with the same people alone.
_ONE_BY_ONE = ("lifter", "root", "reweighter", "discriminator", "objective")


@promise(
    "scenes",
    "people may share scenes, of which some are empty; whoever is about people one by one makes no difference",
    kinds=(*_ONE_BY_ONE, "augmentor", "input"),
)
def scenes(subject: Subject) -> None:
    """Use it on people who share scenes, in training and in evaluation, and on the same people alone.

    An augmentor leaves people together under the cameras of their scenes, with images of these only if everybody is
    where they show them, or parts all of them. A root estimator that searches finds nobody it knows of before.
    """
    part = subject.ready(endless=True)
    for training in (True, False):
        subject.use(set_training(part, training), crowded(subject.device))
    if subject.kind == "augmentor":
        _check_images(part, crowded(subject.device).poses)
    elif subject.kind == "root" and part.finds:
        with torch.no_grad():
            root.locate(part, crowded(subject.device).poses.select(slice(0)))
    if subject.kind in _ONE_BY_ONE and not sees_scenes(part, subject.context()):
        check_equal(
            _results(subject, False), _results(subject, True), "people who share scenes are treated differently"
        )


def _results(subject: Subject, alone: bool) -> Tensors:
    part, occasion = set_training(subject.ready(endless=True), False), crowded(subject.device)
    if alone:
        occasion = attrs.evolve(occasion, poses=occasion.poses.alone(), others=occasion.others.alone())
    seed_globally(8)
    return subject.use(part, occasion)


def _check_images(part: Any, poses: PoseBatch) -> None:
    given = pictured(poses)
    made = part.augment(given, torch.Generator(poses.device).manual_seed(0)).batch
    if made.places.image is not None:
        same = torch.equal(made.absolute, given.absolute)
        require(same, "people were moved, and images that show where they were are still there")
