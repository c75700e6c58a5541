"""Reading MAT files of version 5: arrays of numbers, cells of them and of structures, by name, and nothing else.

The format: "MAT-File Format", The MathWorks, R2019b, chapter 1. Nothing that a file announces is believed before the
bytes are there, so that a damaged or hostile one costs no memory.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.storage.plain_npz import most_bytes

_HEADER, _TAG = 128, 8
_BEGINNING = 1024  # of an array, with its name
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCTURE = 1, 2
# Classes of numeric arrays: double, single, and integers of 8 to 64 bits.
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800
# How numbers may be stored, whatever the class of their array.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_DAMAGE = (EOFError, ValueError, struct.error, zlib.error)


@attrs.frozen
class _Element:
    """A piece of the file: what kind it is, and its bytes."""

    kind: int
    data: memoryview


@attrs.frozen
class Matrix:
    """An array of a MAT file that is only looked into when asked.

    Attributes:
        shape: its dimensions; index the cells of a cell array in the order of columns.
    """

    name: str
    shape: tuple[int, ...]
    _flags: int
    _rest: memoryview
    _order: str

    def array(self) -> NDArray[Any]:
        """Return the numbers of a numeric array; ValueError if it is none."""
        if self._flags & 0xFF not in _NUMERIC or self._flags & _COMPLEX:
            raise ValueError(f"'{self.name}' is no array of real numbers")
        element, _ = _first(self._rest, self._order)
        stored = _STORED.get(element.kind)
        if stored is None or math.prod(self.shape) * np.dtype(stored).itemsize != len(element.data):
            raise ValueError(f"an array of shape {self.shape} in {len(element.data)} bytes")
        values = np.frombuffer(element.data, self._order + stored) if len(element.data) else np.empty(0)
        return values.reshape(self.shape, order="F")

    def cells(self) -> list[Matrix]:
        """Return the cells of a cell array, in the order of its columns; ValueError if it is none."""
        if self._flags & 0xFF != _CELL:
            raise ValueError(f"'{self.name}' is no cell array")
        found = [_matrix(element, self._order) for element in _elements(self._rest, self._order)]
        if len(found) != math.prod(self.shape):
            raise ValueError(f"a cell array of shape {self.shape} with {len(found)} cells")
        return found

    def fields(self) -> dict[str, Matrix]:
        """Return the fields of a single structure by name; ValueError if it is none."""
        if self._flags & 0xFF != _STRUCTURE or math.prod(self.shape) != 1:
            raise ValueError(f"'{self.name}' of shape {self.shape} is no single structure")
        length, rest = _first(self._rest, self._order)
        names, rest = _first(rest, self._order)
        (width,) = struct.unpack(self._order + "i", length.data)
        if width < 1 or len(names.data) % width:
            raise ValueError(f"names of {width} bytes in {len(names.data)}")
        listed = [bytes(names.data[i : i + width]).partition(b"\0")[0] for i in range(0, len(names.data), width)]
        found = [_matrix(element, self._order) for element in _elements(rest, self._order)]
        if len(found) != len(listed):
            raise ValueError(f"a structure of {len(listed)} fields with {len(found)} of them")
        return {name.decode("latin1"): field for name, field in zip(listed, found, strict=True)}


class MatFile:
    """A MAT file of version 5 in memory, of which no array has been unpacked.

    Raises:
        PoseplugError: it cannot be read or is of another version; names the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = memoryview(path.read_bytes())
        except OSError as error:
            raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from error
        marks = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
        if len(self._data) < _HEADER or bytes(self._data[124:128]) not in marks:
            raise PoseplugError(f"'{path}' is no MAT file of version 5 (MATLAB's save -v6 or -v7 writes them).")
        self._order = marks[bytes(self._data[124:128])]

    def names(self) -> list[str]:
        """Return the names of all arrays.

        Raises:
            PoseplugError: the file is damaged.
        """
        try:
            found = [self._unpacked(element, None) for element in _elements(self._data[_HEADER:], self._order)]
        except _DAMAGE as error:
            raise PoseplugError(f"'{self.path}' is damaged: {one_line(error)}.") from error
        return [name for name in found if isinstance(name, str)]

    def array(self, name: str) -> NDArray[Any]:
        """Return the numbers of an array.

        Raises:
            PoseplugError: there is no such array, it has no numbers, or the file is damaged.
        """
        try:
            return self._find(name).array()
        except _DAMAGE as error:
            raise PoseplugError(f"'{self.path}' is damaged: {one_line(error)}.") from error

    def cells(self, name: str, wanted: Sequence[int]) -> list[NDArray[Any]]:
        """Return the numbers in some cells of a cell array, by their place in the order of columns.

        Raises:
            PoseplugError: there is no such array or cell, or the file is damaged.
        """
        try:
            found = self._find(name).cells()
            if not all(0 <= place < len(found) for place in wanted):
                raise ValueError(f"'{name}' has {len(found)} cells; expected {max(wanted) + 1} or more")
            return [found[place].array() for place in wanted]
        except _DAMAGE as error:
            raise PoseplugError(f"'{self.path}' is damaged: {one_line(error)}.") from error

    def structures(
        self, name: str, fields: Sequence[str]
    ) -> tuple[tuple[int, ...], list[dict[str, NDArray[Any]] | None]]:
        """Return the shape of a cell array of structures, and of each in the order of columns some fields' numbers.

        An empty cell is None.

        Raises:
            PoseplugError: there is no such array or field, or the file is damaged.
        """
        try:
            matrix = self._find(name)
            found = [cell.fields() if math.prod(cell.shape) else None for cell in matrix.cells()]
            lacking = [field for field in fields if any(cell is not None and field not in cell for cell in found)]
            if lacking:
                raise ValueError(f"a structure of '{name}' has no field '{lacking[0]}'")
            return matrix.shape, [
                None if cell is None else {field: cell[field].array() for field in fields} for cell in found
            ]
        except _DAMAGE as error:
            raise PoseplugError(f"'{self.path}' is damaged: {one_line(error)}.") from error

    def _find(self, name: str) -> Matrix:
        names = []
        for element in _elements(self._data[_HEADER:], self._order):
            matrix = self._unpacked(element, name)
            if isinstance(matrix, Matrix):
                return matrix
            names.append(matrix)
        raise PoseplugError(
            f"'{self.path}' holds no array '{name}'; it has {one_line(', '.join(names[:20]) or 'none')}."
        )

    def _unpacked(self, element: _Element, wanted: str | None) -> Matrix | str:
        """Return an array if it is the wanted one, else its name, for which only its beginning is unpacked."""
        if element.kind != _COMPRESSED:
            matrix = _matrix(element, self._order)
            return matrix if matrix.name == wanted else matrix.name
        begin = zlib.decompressobj().decompress(element.data, _BEGINNING)
        kind, size = struct.unpack(self._order + "II", begin[:_TAG])
        name = _matrix(_Element(kind, memoryview(begin)[_TAG:]), self._order).name
        if name != wanted:
            return name
        if size > most_bytes(len(element.data)):
            raise ValueError(f"'{name}' announces {size:,} bytes, far more than its file can hold")
        unpacker = zlib.decompressobj()
        data = memoryview(unpacker.decompress(element.data, _TAG + size + 1))[_TAG:]
        if len(data) != size or not unpacker.eof:
            raise EOFError(f"'{name}' announces {size:,} bytes and has others")
        return _matrix(_Element(kind, data), self._order)


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Give the elements that follow one another."""
    while len(data):
        element, data = _first(data, order)
        yield element


def _first(data: memoryview, order: str) -> tuple[_Element, memoryview]:
    """Return the first element and what follows it; EOFError where it is longer than what there is."""
    kind, size = struct.unpack_from(order + "II", data)
    if kind >> 16:  # a small one: kind and size in four bytes, the data in the next four
        start, size, kind = 4, kind >> 16, kind & 0xFFFF
        whole = _TAG if size <= 4 else 0
    else:
        start = _TAG
        whole = _TAG + size + (0 if kind == _COMPRESSED else -size % 8)
    if start + size > min(len(data), whole):
        raise EOFError("it ends within an array")
    return _Element(kind, data[start : start + size]), data[whole:]


def _matrix(element: _Element, order: str) -> Matrix:
    """Return the array of an element, without its contents."""
    if element.kind != _MATRIX:
        raise ValueError(f"an element of kind {element.kind} where an array should be")
    if not len(element.data):  # how an empty cell may be stored
        return Matrix("", (0, 0), _NUMERIC[0], element.data, order)
    flags, rest = _first(element.data, order)
    shape, rest = _first(rest, order)
    name, rest = _first(rest, order)
    (bits,) = struct.unpack_from(order + "I", flags.data)
    lengths = struct.unpack(order + f"{len(shape.data) // 4}i", shape.data)
    if len(lengths) < 2 or min(lengths) < 0:
        raise ValueError(f"an array of shape {lengths}")
    return Matrix(bytes(name.data).decode("latin1"), lengths, bits, rest, order)
