"""The run directory: what a run leaves behind, and where."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import left_behind


@attrs.frozen
class RunDirectory:
    """Paths of a run's files. A folder with an ``experiment.toml`` holds a run.

    One with nothing but what a killed process left of its files is as good as empty.
    """

    path: Path

    @property
    def experiment(self) -> Path:
        """The resolved experiment."""
        return self.path / "experiment.toml"

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The training state, for --resume."""
        return self.path / "checkpoint" / "state.safetensors"

    @property
    def result(self) -> Path:
        """The result object."""
        return self.path / "result.json"

    @property
    def history(self) -> Path:
        """Losses and metrics as an xarray data set."""
        return self.path / "history.nc"

    def of_seed(self, seed: int) -> RunDirectory:
        """Return the run directory of one of several seeds that were trained together."""
        return RunDirectory(self.path / f"seed-{seed}")

    @classmethod
    def fresh(cls, parent: Path, name: str) -> RunDirectory:
        """Return a directory in ``parent`` that does not exist yet: NAME, NAME-2, NAME-3, ..."""
        number = 1
        while (path := parent / (name if number == 1 else f"{name}-{number}")).exists():
            number += 1
        return cls(path)

    def check_free(self) -> None:
        """Raise PoseplugError unless a new run can be written here."""
        if self.experiment.exists():
            raise PoseplugError(
                f"'{self.path}' already holds a run; choose another --out, or continue that run with "
                f"--resume {self.path}."
            )
        if self.path.exists() and (not self.path.is_dir() or {*self.path.iterdir()} - self._left_behind()):
            raise PoseplugError(f"'{self.path}' exists and is not an empty folder; choose another --out.")
        above = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise PoseplugError(f"Cannot write to '{above}'; choose another --out.")

    def clean(self) -> None:
        """Remove what a process that was killed while it wrote one of the run's files has left of it."""
        for path in self._left_behind():
            path.unlink(missing_ok=True)

    def forget_results(self) -> None:
        """Remove model, result and history, of each of several seeds too: the run is not finished any more."""
        for run in (self, *(RunDirectory(folder) for folder in self.path.glob("seed-*"))):
            for path in (run.result, run.history, run.model):
                path.unlink(missing_ok=True)

    def _left_behind(self) -> set[Path]:
        files = (self.experiment, self.model, self.checkpoint, self.result, self.history)
        own = {found for file in files for found in left_behind(file)}
        return own.union(*(RunDirectory(folder)._left_behind() for folder in self.path.glob("seed-*")))

    def check_run(self) -> None:
        """Raise PoseplugError unless a run is here."""
        if not self.experiment.exists():
            raise PoseplugError(f"'{self.path}' holds no run; expected a folder that 'poseplug run --out' has written.")

    def check_resumable(self) -> None:
        """Raise PoseplugError unless a run is here that was not trained as one of several seeds."""
        self.check_run()
        above = self.path.absolute().parent
        if self.path.name.startswith("seed-") and RunDirectory(above).experiment.exists():
            raise PoseplugError(
                f"'{self.path}' is one of several seeds that are trained together; continue them all with "
                f"--resume {self.path.parent}."
            )

    def check_finished(self) -> None:
        """Raise PoseplugError unless a finished run of one model is here."""
        self.check_run()
        if self.model.exists():
            return
        seeds = sorted(str(folder.parent) for folder in self.path.glob("seed-*/model.safetensors"))
        if seeds:
            raise PoseplugError(
                f"'{self.path}' holds several seeds that were trained together; choose one of them: {', '.join(seeds)}."
            )
        raise PoseplugError(f"'{self.path}' holds a run that is not finished; finish it with --resume.")
