"""The folder of a grid: its cells' run directories, and a journal of those that have ended.

grid.json      what the grid is and what its cells are
cells.jsonl    the journal: one line for each cell that ended, the last of a cell counts
cells/ID/      the run directory of a cell
results.nc     all results as an xarray data set, written anew as cells end
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import attrs
from filelock import FileLock, Timeout

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_text
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.grids.grid import Cell, Grid

State = Literal["done", "failed"]


@attrs.frozen
class Record:
    """How a cell ended.

    Attributes:
        cell: its identity.
        state: whether it is done.
        result: its result object; empty where it failed.
        seconds: from its start to its end.
        folder: its run directory, relative to the grid's folder.
        reason: why it failed.
    """

    cell: str
    state: State
    result: Mapping[str, Any] = attrs.field(factory=dict)
    seconds: float = 0.0
    folder: str = ""
    reason: str = ""


@attrs.frozen
class GridFolder:
    """Paths and journal of a grid."""

    path: Path

    @property
    def grid(self) -> Path:
        """What the grid is."""
        return self.path / "grid.json"

    @property
    def journal(self) -> Path:
        """What has ended."""
        return self.path / "cells.jsonl"

    @property
    def results(self) -> Path:
        """The data set."""
        return self.path / "results.nc"

    def run_of(self, identity: str) -> RunDirectory:
        """Return the run directory of a cell."""
        return RunDirectory(self.path / "cells" / identity)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the grid to oneself for a while.

        Raises:
            PoseplugError: another process is at it, the folder holds something else, or cannot be written.
        """
        if self.path.exists() and not self._is_ours():
            raise PoseplugError(f"'{self.path}' exists and holds no grid; choose another --out.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.path / ".lock", timeout=0).acquire()
        except Timeout:
            raise PoseplugError(f"Another 'poseplug ablate' is working in '{self.path}'; wait for it.") from None
        except OSError as error:
            raise PoseplugError(f"Cannot write to '{self.path}': {error}. Choose another --out.") from error
        with held:
            yield

    def _is_ours(self) -> bool:
        """Say whether the folder holds a grid, or nothing but what one that was killed as it began has left."""
        if self.grid.exists():
            return True
        return self.path.is_dir() and all(p.name.startswith((".lock", ".grid.json")) for p in self.path.iterdir())

    def write_grid(self, grid: Grid, cells: Sequence[Cell], name: str) -> None:
        """Note what the grid is now; what has ended before stays in the journal."""
        said = [{"labels": dict(c.labels), "identity": c.identity, "obstacle": c.obstacle} for c in cells]
        facts = {"name": name, "grid": attrs.asdict(grid), "dimensions": grid.dimensions, "cells": said}
        write_text(self.grid, json.dumps(facts))

    def read_grid(self) -> dict[str, Any]:
        """Return what ``write_grid`` noted; raise PoseplugError where there is none."""
        try:
            facts: dict[str, Any] = json.loads(self.grid.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PoseplugError(
                f"'{self.path}' holds no grid; expected a folder that 'poseplug ablate' wrote."
            ) from None
        except (OSError, ValueError) as error:
            raise PoseplugError(f"'{self.grid}' is damaged ({error}); call 'poseplug ablate' again.") from None
        return facts

    def records(self) -> dict[str, Record]:
        """Return how each cell ended, by identity; a line that a killed process left unfinished counts as none."""
        found: dict[str, Record] = {}
        if not self.journal.exists():
            return found
        for line in self.journal.read_bytes().splitlines():
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[record.cell] = record
        return found

    def record(self, record: Record) -> None:
        """Note how a cell ended; it is on the disk when this returns."""
        line = json.dumps(attrs.asdict(record), allow_nan=False).encode() + b"\n"
        try:
            with self.journal.open("ab") as file:
                # A line that a killed process left unfinished must not swallow this one.
                file.write(line if _ends_well(self.journal) else b"\n" + line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PoseplugError(f"Cannot write '{self.journal}': {error}. Free some space and call again.") from error


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
