"""What input providers promise besides what every component does."""

from __future__ import annotations

from typing import Any

from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.stand_ins import context_of, stand_in_inputs
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_rows, tensors_of
from poseplug.registry.conformance.verdict import promise, require


def use(part: Any, occasion: Occasion) -> Tensors:
    """Make the input for some people, from those that it is made of; check that it has a row for each."""
    poses = occasion.poses
    read = stand_in_inputs(part, context_of(poses)).read(part.reads, poses)
    made = tensors_of({"input": part.provide(poses, **read)})
    require(made, "provide returned no tensor, and no record of tensors")
    for name, tensor in made.items():
        complaint = f"{name} has the shape {list(tensor.shape)} for {len(poses)} people; expected a row for each"
        require(tensor.shape[:1] == (len(poses),), complaint)
    return made


@promise("rows", "the input of a person is the same whoever else is in the batch", needs=("seeded",))
def rows(subject: Subject) -> None:
    """Make the input for 16 people together, and for eight at a time."""
    part = subject.ready()

    def figures(occasion: Occasion) -> Tensors:  # whole numbers may be those of rows, which are a batch's own
        return {name: made for name, made in use(part, occasion).items() if made.is_floating_point()}

    check_rows(figures, ordinary(16, subject.device), "people are seen differently alone")
