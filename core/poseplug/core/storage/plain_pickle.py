"""Reading pickles without running anything: a small machine that knows arrays, containers, text and numbers only.

A pickle is a program for a stack machine, and Python's own machine calls whatever the program names. This one has the
instructions that make plain data, and calls nothing but the methods of ``Arrays``.
"""

from __future__ import annotations

import codecs
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.storage.pickled_arrays import GLOBALS, Arrays, DType

# Data sets have some thousands of instructions; this many take some seconds.
_MAX_INSTRUCTIONS = 5_000_000
# Objects of classes, what other programs keep, and sets, which no data set needs.
_REFUSED = {
    getattr(pickle, name): name
    for name in (
        *("OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"),
        *("READONLY_BUFFER", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
    )
}
# What Python, struct and numpy raise where an instruction finds other things than it needs.
_DAMAGE = (EOFError, IndexError, KeyError, ValueError, TypeError, OverflowError, struct.error)


@attrs.frozen
class _Callable:
    """A global that is allowed, by what it does here."""

    does: str


def load_plain_pickle(stream: BinaryIO, size: int, where: str) -> Any:
    """Return the arrays, dicts, lists, tuples, text, bytes and numbers that a pickle of any protocol holds.

    Text of Python 2 is read as latin1, which keeps the bytes of its arrays. Nothing that the pickle names is imported
    or called, and memory stays in proportion to ``size``.

    Args:
        stream: the pickle, at its beginning.
        size: how many bytes there are.
        where: how messages call it.

    Raises:
        PoseplugError: it asks for any other global, or is damaged; names ``where`` and the global.
    """
    machine = _Machine(stream, size, where)
    try:
        return machine.run()
    except _DAMAGE as error:
        said = "it takes what it has not kept" if isinstance(error, KeyError) else one_line(error)
        raise PoseplugError(f"{where} is damaged, or no pickle: {said}.") from error


class _Machine:
    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self.stream, self.left, self.where = stream, size, where
        self.arrays = Arrays(2 * size + 2**20)
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(_MAX_INSTRUCTIONS):
            code = self.take(1)
            if code == pickle.STOP:
                value = self.stack.pop()
                if isinstance(value, _Callable | DType):
                    raise ValueError("it holds no data")
                return value
            instruction = _INSTRUCTIONS.get(code)
            if code in _REFUSED:
                raise PoseplugError(
                    f"{self.where} asks for more than arrays, lists, dicts, text and numbers (pickle instruction "
                    f"{_REFUSED[code]}); it was refused, and nothing of it was run."
                )
            if instruction is None:
                raise ValueError(f"no pickle has an instruction {code!r}")
            instruction(self)
        raise ValueError(f"more than {_MAX_INSTRUCTIONS:,} instructions")

    # What instructions read.

    def take(self, n: int) -> bytes:
        if not 0 <= n <= self.left:
            raise EOFError(f"it ends before {n:,} bytes that it announces")
        data = self.stream.read(n)
        if len(data) < n:
            raise EOFError("it ends too early")
        self.left -= n
        return data

    def unpack(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        data = self.stream.readline(self.left)
        self.left -= len(data)
        if not data.endswith(b"\n"):
            raise EOFError("it ends too early")
        return data[:-1].rstrip(b"\r").decode("latin1")

    # What instructions do.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def last(self, n: int) -> tuple[Any, ...]:
        if n > len(self.stack):
            raise IndexError("it takes more than there is")
        items = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return tuple(items)

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("it appends to what is no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(items) % 2:
            raise TypeError("it sets items of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not all(isinstance(part, str | bytes | int) for part in (key if isinstance(key, tuple) else (key,))):
                raise TypeError("a key is neither text nor number")
            self.stack[-1][key] = value

    def new_dict(self) -> None:
        items = self.marked()
        self.push({})
        self.update(items)

    def global_(self, module: Any, name: Any) -> None:
        does = GLOBALS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if does is None:
            raise PoseplugError(
                f"{self.where} asks for {one_line(f'{module}.{name}'):.160}, which no array, list, dict or text needs; "
                "it was refused, and nothing of it was run. Get the file anew from where it is published."
            )
        self.push(_Callable(does))

    def call(self) -> None:
        function, given = self.last(2)
        if not isinstance(function, _Callable) or not isinstance(given, tuple) or function.does == "ndarray":
            raise TypeError("it calls what is no function")
        self.push(getattr(self.arrays, function.does)(*given))

    def build(self) -> None:
        """Give the value under a state that state: an array its contents, a data type its order of bytes."""
        (state,) = self.last(1)
        value = self.stack[-1]
        if isinstance(value, DType):
            value.set_state(state)
        elif isinstance(value, np.ndarray):
            self.arrays.fill(value, state)
        else:
            raise TypeError("it gives a state to what has none")


def _int(line: str) -> int | bool:
    return {"00": False, "01": True}[line] if line in ("00", "01") else int(line)


def _quoted(line: str) -> str:
    if len(line) < 2 or line[0] not in "'\"" or line[-1] != line[0]:
        raise ValueError("text without quotes")
    # What Python 2 wrote for bytes: escapes of one byte each.
    return codecs.escape_decode(line[1:-1].encode("latin1"))[0].decode("latin1")


def _utf8(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    pickle.PROTO: lambda m: m.take(1),
    pickle.FRAME: lambda m: m.take(8),
    pickle.MARK: _Machine.mark,
    pickle.POP: lambda m: m.stack.pop() if m.stack else m.marked(),
    pickle.POP_MARK: _Machine.marked,
    pickle.DUP: lambda m: m.push(m.stack[-1]),
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.INT: lambda m: m.push(_int(m.line())),
    pickle.LONG: lambda m: m.push(int(m.line().removesuffix("L"))),
    pickle.FLOAT: lambda m: m.push(float(m.line())),
    pickle.BININT: lambda m: m.push(m.unpack("<i")),
    pickle.BININT1: lambda m: m.push(m.unpack("<B")),
    pickle.BININT2: lambda m: m.push(m.unpack("<H")),
    pickle.LONG1: lambda m: m.push(_signed(m.take(m.unpack("<B")))),
    pickle.LONG4: lambda m: m.push(_signed(m.take(m.unpack("<i")))),
    pickle.BINFLOAT: lambda m: m.push(m.unpack(">d")),
    pickle.STRING: lambda m: m.push(_quoted(m.line())),
    pickle.BINSTRING: lambda m: m.push(m.take(m.unpack("<i")).decode("latin1")),
    pickle.SHORT_BINSTRING: lambda m: m.push(m.take(m.unpack("<B")).decode("latin1")),
    pickle.BINBYTES: lambda m: m.push(m.take(m.unpack("<I"))),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.take(m.unpack("<B"))),
    pickle.BINBYTES8: lambda m: m.push(m.take(m.unpack("<Q"))),
    pickle.BYTEARRAY8: lambda m: m.push(m.take(m.unpack("<Q"))),
    pickle.UNICODE: lambda m: m.push(m.line().encode("latin1").decode("raw-unicode-escape")),
    pickle.BINUNICODE: lambda m: m.push(_utf8(m.take(m.unpack("<I")))),
    pickle.SHORT_BINUNICODE: lambda m: m.push(_utf8(m.take(m.unpack("<B")))),
    pickle.BINUNICODE8: lambda m: m.push(_utf8(m.take(m.unpack("<Q")))),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.APPEND: lambda m: m.extend([*m.last(1)]),
    pickle.APPENDS: lambda m: m.extend(m.marked()),
    pickle.LIST: lambda m: m.push(m.marked()),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE: lambda m: m.push(tuple(m.marked())),
    pickle.TUPLE1: lambda m: m.push(m.last(1)),
    pickle.TUPLE2: lambda m: m.push(m.last(2)),
    pickle.TUPLE3: lambda m: m.push(m.last(3)),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.SETITEM: lambda m: m.update([*m.last(2)]),
    pickle.SETITEMS: lambda m: m.update(m.marked()),
    pickle.DICT: _Machine.new_dict,
    pickle.PUT: lambda m: m.memo.update({int(m.line()): m.stack[-1]}),
    pickle.BINPUT: lambda m: m.memo.update({m.unpack("<B"): m.stack[-1]}),
    pickle.LONG_BINPUT: lambda m: m.memo.update({m.unpack("<I"): m.stack[-1]}),
    pickle.MEMOIZE: lambda m: m.memo.update({len(m.memo): m.stack[-1]}),
    pickle.GET: lambda m: m.push(m.memo[int(m.line())]),
    pickle.BINGET: lambda m: m.push(m.memo[m.unpack("<B")]),
    pickle.LONG_BINGET: lambda m: m.push(m.memo[m.unpack("<I")]),
    pickle.GLOBAL: lambda m: m.global_(m.line(), m.line()),
    pickle.INST: lambda m: m.global_(m.line(), m.line()),
    pickle.STACK_GLOBAL: lambda m: m.global_(*m.last(2)),
    pickle.REDUCE: _Machine.call,
    pickle.BUILD: _Machine.build,
}
