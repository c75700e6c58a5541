"""How the kit uses root estimators; they promise what every component does."""

from __future__ import annotations

from typing import Any

from poseplug.core.models.inputs import check_inputs, gather_inputs
from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.tensors import Tensors, check_scalars, check_tensor
from poseplug.registry.conformance.verdict import Promise

PROMISES: tuple[Promise, ...] = ()


def use(part: Any, occasion: Occasion) -> Tensors:
    """Locate the people, take the losses, and check the form of both."""
    poses = occasion.poses
    check_inputs(type(part).__name__, part.reads)
    roots = part(**gather_inputs(part.reads, poses))
    return {"roots": check_tensor(roots, (len(poses), 3), poses.device, "the output"), **train(part, occasion)}


def train(part: Any, occasion: Occasion) -> Tensors:
    """Return the losses that train the root estimator."""
    poses = occasion.poses
    return check_scalars(part.loss(poses, **gather_inputs(part.reads, poses)), poses.device, "loss")
