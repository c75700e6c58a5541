"""The folder of something trained: what it is, its weights, the state of its training, how good it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import left_behind


@attrs.frozen
class ModelFolder:
    """Paths of files in a folder that holds one thing; the file ``describes`` says what.

    One with nothing but what a killed process left of its files is as good as empty.
    """

    path: Path

    describes: ClassVar[str]
    # What is here and how one goes on with it, for messages: 'a run', 'continue that run with --resume {path}'.
    holds: ClassVar[str]
    goes_on: ClassVar[str]

    @property
    def description(self) -> Path:
        """What it is."""
        return self.path / self.describes

    @property
    def model(self) -> Path:
        """Its weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The state of its training, for --resume."""
        return self.path / "checkpoint" / "state.safetensors"

    @property
    def result(self) -> Path:
        """How good it was found to be."""
        return self.path / "result.json"

    def check_free(self) -> None:
        """Raise PoseplugError unless a new one can be written here."""
        if self.description.exists():
            raise PoseplugError(
                f"'{self.path}' already holds {self.holds}; choose another --out, or "
                f"{self.goes_on.format(path=self.path)}."
            )
        if self.path.exists() and (not self.path.is_dir() or {*self.path.iterdir()} - self._left_behind()):
            raise PoseplugError(f"'{self.path}' exists and is not an empty folder; choose another --out.")
        above = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise PoseplugError(f"Cannot write to '{above}'; choose another --out.")

    def clean(self) -> None:
        """Remove what a process that was killed while it wrote one of these files has left of it."""
        for path in self._left_behind():
            path.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, ...]:
        return (self.description, self.model, self.checkpoint, self.result)

    def _left_behind(self) -> set[Path]:
        return {found for file in self._files() for found in left_behind(file)}
