"""Files of joint limits: a bit for each cell, packed, in safetensors."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseplug.core.anatomy.limb_kinds import KINDS_BY_NAME
from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.storage.tensor_file import load_tensors, save_tensors

_CONTENT = "joint limits"
# Finer tables than any data fill: half a degree for the bone, three for the one above.
_MOST_CELLS, _MOST_ROWS = 512**2, 64**2
_MOST = 2**26


def save_limits(path: Path, tables: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tables bool [P, cells] by kind of bone, and facts.

    Raises:
        PoseplugError: it cannot be written.
    """
    packed = {name: _packed(table) for name, table in tables.items()}
    shapes = {name: list(table.shape) for name, table in tables.items()}
    save_tensors(path, packed, {"content": _CONTENT, "shapes": shapes, "facts": dict(facts)})


def load_limits(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tables and the facts of a file of limits.

    Raises:
        PoseplugError: there is no such file, or it is damaged or holds no limits; names it.
    """
    if not path.is_file():
        raise PoseplugError(f"There is no file '{path}' of joint limits; 'poseplug data limits learn' writes one.")
    packed, meta = load_tensors(path)
    if meta.get("content") != _CONTENT:
        raise PoseplugError(f"'{path}' holds no joint limits; expected a file that 'poseplug data limits' has written.")
    try:
        tables = {name: _unpacked(packed[name], *_shape(name, shape)) for name, shape in meta["shapes"].items()}
        facts = dict(meta["facts"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, zlib.error) as error:
        raise PoseplugError(f"'{path}' is damaged: {one_line(error):.200}.") from error
    if not tables:
        raise PoseplugError(f"'{path}' is damaged: it has a table for no bone.")
    return tables, facts


def _packed(table: Tensor) -> Tensor:
    bits = np.packbits(table.cpu().numpy().reshape(-1))
    return torch.from_numpy(np.frombuffer(zlib.compress(bits.tobytes(), 9), np.uint8).copy())


def _unpacked(packed: Tensor, rows: int, cells: int) -> Tensor:
    size = math.ceil(rows * cells / 8)
    # A few bytes may unpack to any number: no more are taken than the table has.
    unpacker = zlib.decompressobj()
    bits = unpacker.decompress(packed.numpy().tobytes(), size + 1)
    if len(bits) != size:
        raise ValueError(f"a table of {rows} x {cells} cells in {len(bits)} bytes")
    cellwise = np.unpackbits(np.frombuffer(bits, np.uint8), count=rows * cells)
    return torch.from_numpy(cellwise.reshape(rows, cells)).bool()


def _shape(name: str, shape: list[int]) -> tuple[int, int]:
    rows, cells = shape
    if name not in KINDS_BY_NAME:
        raise ValueError(f"there is no kind of bone '{name}'")
    below = bool(KINDS_BY_NAME[name].parent)
    if not (_even_square(cells, _MOST_CELLS) and (_even_square(rows, _MOST_ROWS) if below else rows == 1)):
        raise ValueError(f"a table of {rows} x {cells} cells for '{name}'")
    if rows * cells > _MOST:
        raise ValueError(f"a table of {rows} x {cells} cells")
    return rows, cells


def _even_square(number: int, most: int) -> bool:
    side = math.isqrt(number) if isinstance(number, int) and 0 < number <= most else 1
    return side**2 == number and side % 2 == 0
