"""How the kit uses root estimators; they promise what every component does."""

from __future__ import annotations

from typing import Any

from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.stand_ins import context_of, stand_in_inputs
from poseplug.registry.conformance.tensors import Tensors, check_scalars, check_tensor


def use(part: Any, occasion: Occasion) -> Tensors:
    """Locate the people, take the losses, and check the form of both."""
    poses = occasion.poses
    roots = part(**stand_in_inputs(part, context_of(poses)).read(part.reads, poses))
    return {"roots": check_tensor(roots, (len(poses), 3), poses.device, "the output"), **train(part, occasion)}


def train(part: Any, occasion: Occasion) -> Tensors:
    """Return the losses that train the root estimator."""
    poses = occasion.poses
    read = stand_in_inputs(part, context_of(poses)).read(part.reads, poses)
    return check_scalars(part.loss(part(**read), poses, **read), poses.device, "loss")
