"""What pickles rebuild arrays, data types and bytes by: recognised by name, and done here with every size checked."""

from __future__ import annotations

import math
import re
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

# The globals of NumPy 1 and 2, and what Python 3 writes bytes by for Python 2: which method of Arrays does their work.
GLOBALS = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): "empty" for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): "scalar" for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "buffer" for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytes"): "no_bytes",
    ("builtins", "bytes"): "no_bytes",
}
_DTYPE = re.compile(r"[biufSU][1-9]\d{0,5}|O[48]?")
_MAX_DIMENSIONS = 32


@attrs.define
class DType:
    """A data type on its way: the name first, the order of bytes later."""

    name: str
    order: str = "="

    def set_state(self, state: Any) -> None:
        """Take the order of bytes; ValueError where there is more to it."""
        if state[1] not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
            raise ValueError("a data type with fields")
        self.order = state[1]


class Arrays:
    """Makes arrays of raw data; ValueError or TypeError where they do not fit.

    Args:
        budget: how many bytes may go into arrays, all in all.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def empty(self, _: Any, shape: Any, *__: Any) -> NDArray[Any]:
        """Return an array that ``fill`` will fill."""
        if shape != (0,):
            raise ValueError("an array that is made before its bytes are there")
        return np.empty(0, np.uint8)

    def fill(self, array: NDArray[Any], state: Any) -> None:
        """Give an array its contents, in place, since other places may hold it already."""
        _, shape, dtype, fortran, data = state
        checked = self._of(data, dtype, shape, "F" if fortran else "C")
        # numpy is handed what has been checked, and nothing else.
        contents = data.encode("latin1") if isinstance(data, str) else data
        whole: Any = (1, checked.shape, checked.dtype, bool(fortran), contents)
        array.__setstate__(whole)

    def dtype(self, name: Any, *_: Any) -> DType:
        """Return a data type of numbers, text or objects."""
        if not isinstance(name, str) or not _DTYPE.fullmatch(name):
            raise ValueError(f"a data type that is no number, text or object: {name!r:.40}")
        return DType(name)

    def scalar(self, dtype: Any, data: Any) -> Any:
        """Return a number of numpy's."""
        return self._of(data, dtype, (), "C")[()]

    def buffer(self, data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
        """Return an array as protocol 5 writes it."""
        # NumPy 2.3 writes arrays with permuted axes in the order K, and says which axis is which.
        values = self._of(data, dtype, shape, "C" if order == "K" and axes is not None else order)
        return values.copy() if axes is None else values.transpose(axes).copy()

    def encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        """Return the bytes that were written as text."""
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError("it encodes what is no text")
        self._spend(len(text))
        return text.encode("latin1")

    def no_bytes(self) -> bytes:
        """Return what empty bytes are written as a call of."""
        return b""

    def _of(self, data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
        """Return an array of raw data, which it must fill exactly."""
        if not isinstance(dtype, DType):
            raise TypeError("an array without a data type")
        plain = isinstance(shape, tuple) and all(type(length) is int and length >= 0 for length in shape)
        if not plain or len(shape) > _MAX_DIMENSIONS or order not in ("C", "F"):
            raise ValueError("an array of an impossible shape")
        if dtype.name[0] == "O":
            values = self._objects(data)
        else:
            raw = data.encode("latin1") if isinstance(data, str) else data
            if not isinstance(raw, bytes):
                raise TypeError("an array without its bytes")
            self._spend(len(raw))
            kind = np.dtype(dtype.order + dtype.name)
            values = np.frombuffer(raw, kind) if raw else np.empty(0, kind)
        if math.prod(shape) != len(values):
            raise ValueError(f"an array of shape {shape} with {len(values)} values")
        return values.reshape(shape, order=order)

    def _objects(self, data: Any) -> NDArray[Any]:
        if not isinstance(data, list):
            raise TypeError("an array of objects without a list of them")
        self._spend(8 * len(data))
        values = np.empty(len(data), object)
        for i, item in enumerate(data):
            values[i] = item
        return values

    def _spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise ValueError("it fills more memory than it is long")
