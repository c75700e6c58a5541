"""Frozen attrs classes whose tensor fields share a leading batch dimension, and tensors of fixed numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Self, cast

import attrs
import torch
from torch import Tensor

Numbers = tuple[float, ...] | tuple[tuple[float, ...], ...]


@lru_cache(maxsize=256)
def constant(values: Numbers, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a tensor of fixed numbers that is made once for each device; do not write into it.

    Making it anew at every step would copy from the host each time, and the host would wait for the device.
    """
    # Cached tensors serve training as well, so they must not be inference tensors.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


class TensorRecord:
    """Selecting, moving and joining of records such as Camera and PoseBatch, field by field.

    A field holds a tensor [N, ...], a mapping of names to such tensors, another record, None, or anything else;
    what is not a tensor, a mapping or a record is carried along unchanged.
    """

    def select(self, index: Tensor | slice) -> Self:
        """Return the rows that an index tensor, a boolean mask or a slice picks; of records within it likewise."""
        return self._with(lambda value: _selected(value, index))

    def to(self, device: torch.device | str) -> Self:
        """Return the record on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return self._with(lambda value: map_tensors(function, value))

    def _with(self, function: Callable[[Any], Any]) -> Self:
        values = {f.alias: function(getattr(self, f.name)) for f in attrs.fields(cast(Any, type(self)))}
        return type(self)(**values)

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Return the rows of all records one after the other.

        An optional field is kept only if every record has it; of a mapping, the keys that all have.
        """
        if len(records) == 1:
            return records[0]
        return cls(**{f.alias: _join([getattr(r, f.name) for r in records]) for f in attrs.fields(cast(Any, cls))})


def map_tensors(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Return a tensor, record, mapping or tuple with ``function`` applied to its tensors; anything else as it is."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, TensorRecord):
        return value._map(function)
    if isinstance(value, Mapping):
        return {key: map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map_tensors(function, item) for item in value)
    return value


def _selected(value: Any, index: Tensor | slice) -> Any:
    # A record may know more of its rows than that each of its tensors has one for each.
    return value.select(index) if isinstance(value, TensorRecord) else map_tensors(lambda tensor: tensor[index], value)


def _join(values: list[Any]) -> Any:
    if any(value is None for value in values):
        return None
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values)
    if isinstance(first, TensorRecord):
        return type(first).join(values)
    if isinstance(first, Mapping):
        return {key: _join([value[key] for value in values]) for key in first if all(key in v for v in values)}
    return first
