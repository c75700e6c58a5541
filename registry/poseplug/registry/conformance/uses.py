"""Using a component of any kind once, as the engine would, with its results under names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from poseplug.registry.conformance.kinds import (
    augmentor,
    discriminator,
    hook,
    lifter,
    objective,
    reweighter,
    root,
    source,
)
from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.tensors import Tensors

Use = Callable[[Any, Occasion], Tensors]

# What a component does in a step; each raises Broken if a result has another form than its interface says.
USES: Mapping[str, Use] = {
    "source": source.use,
    "augmentor": augmentor.use,
    "reweighter": reweighter.use,
    "lifter": lifter.use,
    "discriminator": discriminator.use,
    "root": root.use,
    "objective": objective.use,
    "hook": hook.use,
}

# Of a component that is trained, what its own parameters are to be trained with.
TRAINING: Mapping[str, Use] = {
    "augmentor": augmentor.train,
    "lifter": lifter.use,
    "discriminator": discriminator.train,
    "root": root.train,
}

MODULES = tuple(kind for kind in USES if kind not in ("source", "hook"))
TENSORS = tuple(kind for kind in USES if kind != "hook")


def set_training(part: Any, training: bool) -> Any:
    """Put a module into training or evaluation mode; return the part."""
    if hasattr(part, "train") and hasattr(part, "parameters"):
        part.train(training)
    return part
