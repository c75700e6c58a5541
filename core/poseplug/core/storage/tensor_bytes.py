"""The bytes of a safetensors file: its header, and where in the file each tensor lies.

The format (https://github.com/huggingface/safetensors#format): eight bytes with the length of the header, little end
first; the header, JSON, which may end in spaces; then the tensors without gaps.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError, one_line

DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
_LONGEST_HEADER = 100_000_000


@attrs.frozen
class Place:
    """Where a tensor lies.

    Attributes:
        type: safetensors' name of its type, one of DTYPES.
        shape: its shape.
        start: its first byte in the file.
    """

    type: str
    shape: tuple[int, ...]
    start: int


def header_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...]]], facts: str, length: int = 0) -> bytes:
    """Return the beginning of a file, up to the first tensor.

    Args:
        tensors: type and shape of each, in the order in which they lie in the file.
        facts: text that is kept under "poseplug".
        length: how many bytes it is to have, at least as many as it needs; by default those, and up to seven more.
    """
    entries: dict[str, Any] = {"__metadata__": {"poseplug": facts}}
    place = 0
    for name, (kind, shape) in tensors.items():
        end = place + math.prod(shape) * DTYPES[kind].itemsize
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (length - 8 - len(text) if length else -len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_header(path: Path) -> tuple[dict[str, Place], str]:
    """Return where each tensor of a file lies, and the text under "poseplug".

    Raises:
        PoseplugError: the file cannot be read, is cut off or too long, or is no such file.
    """
    try:
        size = path.stat().st_size
        if size < 8:
            raise ValueError(f"it has {size} bytes" if size else "it is empty")
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size - 8, _LONGEST_HEADER):
                raise ValueError(f"its header would have {length} bytes, and the file has {size}")
            entries = json.loads(file.read(length))
        facts = entries.pop("__metadata__")["poseplug"]
        if not isinstance(facts, str):
            raise TypeError("its facts are no text")
        return _places(entries, 8 + length, size), facts
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else one_line(error)[:200]
        raise PoseplugError(f"'{path}' is damaged, or no file of poseplug's: {reason}.") from None


def _places(entries: Mapping[str, Any], data: int, size: int) -> dict[str, Place]:
    places, spans = {}, []
    for name, entry in entries.items():
        kind, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, start, end]
        if kind not in DTYPES or not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError(f"tensor '{name}' is of type {kind}, shape {shape}, at {start} to {end}")
        if math.prod(shape) * DTYPES[kind].itemsize != end - start:
            raise ValueError(f"tensor '{name}' of type {kind} and shape {shape} cannot have {end - start} bytes")
        places[name] = Place(kind, tuple(shape), data + start)
        spans.append((data + start, data + end))
    ends = [data, *(end for _, end in sorted(spans))]
    if [start for start, _ in sorted(spans)] != ends[:-1] or ends[-1] != size:
        raise ValueError(f"its tensors do not fill the {size} bytes of the file; it is cut off, or too long")
    return places
