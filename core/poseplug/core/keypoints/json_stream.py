"""JSON files of any length, read value by value in memory that does not grow with them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.file_values import shown

_BLOCK = 1 << 20
# The longest single value: a frame of a crowd with whole bodies takes some hundred kilobytes.
_LONGEST = 1 << 24
# How far before the end of the text read so far a fault may lie that comes of the text going on: keywords and escapes.
_NEAR = 64
_BLANK = " \t\r\n"


class JsonStream:
    """A JSON file under a cursor; a context manager.

    Python's own decoder takes one value at a time from a window of the text. It is several times faster than parsers
    that give events, because what a value is made of never passes through Python code.

    Raises, as do all methods:
        PoseplugError: the file cannot be read, ends early or is not JSON; names the file and the place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text, self._at, self._before, self._whole = "", 0, 0, False
        self._decoder = json.JSONDecoder()
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def peek(self) -> str:
        """Return the next character that is not blank, "" at the end, and leave it there."""
        while True:
            text, at, end = self._text, self._at, len(self._text)
            while at < end and text[at] in _BLANK:
                at += 1
            self._at = at
            if at < end or not self._more():
                return text[at : at + 1]

    def value(self) -> Any:
        """Return the next value as Python has it; NaN and Infinity are understood."""
        if not self.peek():
            raise self.error("the file ends where a value is expected")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                broken = error.pos < len(self._text) - _NEAR and not error.msg.startswith("Unterminated string")
                if broken or not self._more():
                    raise self.error(f"not JSON: {error.msg}", error.pos) from None
            except RecursionError:
                raise self.error("lists nested too deep for any key points") from None
            except ValueError:
                raise self.error("a number of thousands of digits") from None
            else:
                # A number at the end of the window may go on behind it.
                if end < len(self._text) or not self._more():
                    self._at = end
                    return value

    def items(self) -> Iterator[Any]:
        """Give the values of the list that comes next."""
        for _ in self._elements():
            yield self.value()

    def members(self) -> Iterator[str]:
        """Give the keys of the object that comes next; who asks takes each key's value before the next key."""
        self._take("{")
        seen: set[str] = set()
        while self.peek() != "}":
            if seen:
                self._take(",")
            if self.peek() != '"':
                raise self.error('expected a key in quotes, such as "annotations"')
            key = self.value()
            if key in seen:
                raise self.error(f"the key {shown(key)} stands there twice")
            seen.add(key)
            self._take(":")
            yield key
        self._at += 1

    def skip(self) -> None:
        """Pass over the next value; a list may be of any length."""
        if self.peek() != "[":
            self.value()
            return
        for _ in self._elements():
            self.value()

    def end(self) -> None:
        """Make sure that nothing follows."""
        if found := self.peek():
            raise self.error(f"expected the end of the file, found {shown(found)}")

    def error(self, reason: str, at: int | None = None) -> PoseplugError:
        """Return an error that names the place, the cursor's unless ``at`` (in the window) is another."""
        place = self._before + (self._at if at is None else at) + 1
        return PoseplugError(f"'{self.path}', character {place}: {reason}; write the file again.")

    def _elements(self) -> Iterator[None]:
        """Stop at each value of the list that comes next, for the caller to take it."""
        self._take("[")
        first = True
        while self.peek() != "]":
            if not first:
                self._take(",")
            first = False
            yield
        self._at += 1

    def _take(self, expected: str) -> None:
        found = self.peek()
        if found != expected:
            raise self.error(f"expected '{expected}', found {shown(found) if found else 'the end of the file'}")
        self._at += 1

    def _more(self) -> bool:
        """Read on, and return whether there was more; what lies before the cursor is forgotten."""
        if self._whole:
            return False
        kept = len(self._text) - self._at
        if kept > _LONGEST:
            raise self.error(f"a single value of more than {_LONGEST >> 20} MB")
        try:
            # Twice what there is, so that long values are not tried over and over.
            data = self._file.read(max(_BLOCK, kept))
            text = self._decode(data, not data)
        except UnicodeDecodeError:
            raise self.error("not text in UTF-8", len(self._text)) from None
        except OSError as error:
            raise PoseplugError(f"Cannot read '{self.path}': {error.strerror or error}.") from None
        self._before += self._at
        self._text, self._at = self._text[self._at :] + text, 0
        self._whole = not data
        return bool(data)
