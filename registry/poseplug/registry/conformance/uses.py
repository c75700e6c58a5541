"""Using a component of any kind once, as the engine would, with its results under names.

What differs from kind to kind is said by ``conformance/kinds/KIND.py``. Each such module has

- ``use(part, occasion)``: what a component does in a step. It returns the results as tensors under names, and raises
  Broken if one has another form than the interface says.
- ``train(part, occasion)``, where components are trained: what their own parameters are to be trained with.
- ``PROMISES``: what components of this kind promise besides what all do.
- ``RETURNS_TENSORS = False``, where ``use`` has no results to compare.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import nn

from poseplug.core.kinds import KINDS
from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.tensors import Tensors

Use = Callable[[Any, Occasion], Tensors]

OF_KIND: Mapping[str, ModuleType] = {
    kind.name: importlib.import_module(f"poseplug.registry.conformance.kinds.{kind.name}") for kind in KINDS
}
USES: Mapping[str, Use] = {name: module.use for name, module in OF_KIND.items()}
TRAINING: Mapping[str, Use] = {name: module.train for name, module in OF_KIND.items() if hasattr(module, "train")}
MODULES = tuple(kind.name for kind in KINDS if issubclass(kind.load_interface(), nn.Module))
TENSORS = tuple(name for name, module in OF_KIND.items() if getattr(module, "RETURNS_TENSORS", True))


def set_training(part: Any, training: bool) -> Any:
    """Put a module into training or evaluation mode; return the part."""
    if hasattr(part, "train") and hasattr(part, "parameters"):
        part.train(training)
    return part
