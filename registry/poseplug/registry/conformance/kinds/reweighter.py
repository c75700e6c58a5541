"""What reweighters promise besides what every component does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_tensor, tensors_of
from poseplug.registry.conformance.verdict import promise, require


def use(part: Any, occasion: Occasion) -> Tensors:
    """Weigh training poses and reference poses, of which there need not be as many, and check the weights' form."""
    device = occasion.poses.device
    training, reference = occasion.poses, occasion.others.select(slice((len(occasion.others) + 1) // 2))
    weights = part.weigh(training, reference)
    complaint = f"weigh returned a {type(weights).__name__}; expected weights by the name of the stream"
    require(isinstance(weights, Mapping), complaint)
    streams = {"training": training, "reference": reference}
    for name, value in weights.items():
        require(name in streams, f"weigh returned weights of '{name}'; expected training or reference")
        check_tensor(value, (len(streams[name]),), device, f"weights of {name} poses")
    for name, value in part.logs().items():
        check_tensor(value, (), device, f"log '{name}'")
    return tensors_of(weights)


@promise("weights", "it weighs something, and no weight is negative")
def weights(subject: Subject) -> None:
    """Look at the weights of ordinary poses."""
    part, occasion = subject.ready(), ordinary(64, subject.device)
    with torch.no_grad():
        weights = part.weigh(occasion.poses, occasion.others)
    require(weights, "weighs neither training nor reference poses")
    for name, value in weights.items():
        least = float(value.min())
        require(least >= 0, f"a weight of a {name} pose is {least:.3g}; expected none below 0")
