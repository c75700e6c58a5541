"""What input providers promise besides what every component does."""

from __future__ import annotations

from typing import Any

import attrs

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import InputProvider
from poseplug.registry.conformance.poses import Occasion, ordinary, pictured
from poseplug.registry.conformance.stand_ins import context_of, stand_in_inputs
from poseplug.registry.conformance.subject import Subject, set_training
from poseplug.registry.conformance.tensors import Tensors, check_rows, check_scalars, tensors_of
from poseplug.registry.conformance.verdict import promise, require

# One whose class offers settings for the kit may be large with others.
SMALL = True


def use(part: Any, occasion: Occasion) -> Tensors:
    """Make the input for some people, from those that it is made of; check that it has a row for each, or each scene.

    One that needs images gets some, of noise, of the height and width that its ``canvas`` says, if it has one.
    """
    poses = _pictured(part, occasion.poses)
    read = stand_in_inputs(part, context_of(poses)).read(part.reads, poses)
    part.generator = occasion.generator if getattr(part, "training", False) else None
    value = part.provide(poses, **read)
    losses: Tensors = {}
    if type(part).loss is not InputProvider.loss:
        losses = check_scalars(part.loss(value, poses, **read), poses.device, "loss")
    return _checked(value, part, poses) | losses


def _checked(value: Any, part: Any, poses: PoseBatch) -> Tensors:
    count, whom = (poses.num_scenes, "scenes") if part.per_scene else (len(poses), "people")
    made = tensors_of({"input": value})
    require(made, "provide returned no tensor, and no record of tensors")
    for name, tensor in made.items():
        complaint = f"{name} has the shape {list(tensor.shape)} for {count} {whom}; expected a row for each"
        require(tensor.shape[:1] == (count,), complaint)
    return made


def _pictured(part: Any, poses: PoseBatch) -> PoseBatch:
    if "image" not in part.needs or poses.places.image is not None:
        return poses
    return pictured(poses, getattr(part, "canvas", (64, 64)))


@promise("rows", "the input of a person is the same whoever else is in the batch", needs=("seeded",))
def rows(subject: Subject) -> None:
    """Make the input for 16 people together, and for eight at a time."""
    part = set_training(subject.ready(), False)

    def figures(occasion: Occasion) -> Tensors:  # whole numbers may be those of rows, which are a batch's own
        return {name: made for name, made in use(part, occasion).items() if made.is_floating_point() and made.ndim}

    occasion = ordinary(16, subject.device)
    occasion = attrs.evolve(occasion, poses=_pictured(part, occasion.poses))
    check_rows(figures, occasion, "people are seen differently alone")
