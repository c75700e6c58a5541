"""Tables that are too long for memory: columns of rows in temporary files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError

Array = NDArray[Any]
Shape = tuple[int, ...]


def no_room(folder: Path | str, error: OSError) -> PoseplugError:
    """Return what to say where temporary files cannot be written."""
    return PoseplugError(
        f"Cannot write to '{folder}': {error}. Free some space, or say with TMPDIR where temporary files go."
    )


class Spool:
    """A table that rows are appended to, and read from by number.

    Args:
        folder: where its files are, one for each column; whoever makes the folder removes it.
        columns: for each the shape of a row, and what it holds ("f4", "i8", ...).
    """

    def __init__(self, folder: Path, columns: Mapping[str, tuple[Shape, str]]) -> None:
        self.folder = folder
        self.columns = dict(columns)
        self.rows = 0
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise no_room(folder, error) from error

    def append(self, **rows: Array) -> None:
        """Add rows, of each column an array [n, ...].

        Raises:
            PoseplugError: the disk is full.
        """
        try:
            for name, values in rows.items():
                shape, kind = self.columns[name]
                with (self.folder / name).open("ab") as file:
                    file.write(np.ascontiguousarray(values, kind).reshape(len(values), *shape).tobytes())
        except OSError as error:
            raise no_room(self.folder, error) from error
        self.rows += len(next(iter(rows.values())))

    def read(self, index: slice | Array, *names: str) -> tuple[Array, ...]:
        """Return the named columns of some rows, in memory."""
        return tuple(np.array(self._column(name)[index]) for name in names)

    def _column(self, name: str) -> Array:
        shape, kind = self.columns[name]
        if not self.rows:
            return np.empty((0, *shape), kind)
        # Mapped anew each time: pages that were read then do not count as this process's for longer than needed.
        return np.memmap(self.folder / name, kind, "r", shape=(self.rows, *shape))
