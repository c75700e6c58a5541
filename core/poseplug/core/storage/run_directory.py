"""The run directory: what a run leaves behind, and where."""

from __future__ import annotations

from pathlib import Path

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.model_folder import ModelFolder


@attrs.frozen
class RunDirectory(ModelFolder):
    """Paths of a run's files. A folder with an ``experiment.toml`` holds a run."""

    describes = "experiment.toml"
    holds, goes_on = "a run", "continue that run with --resume {path}"

    @property
    def experiment(self) -> Path:
        """The resolved experiment."""
        return self.description

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

    def forget_results(self) -> None:
        """Remove model, result and history, of each of several seeds too: the run is not finished any more."""
        for run in (self, *(RunDirectory(folder) for folder in self.path.glob("seed-*"))):
            for path in (run.result, run.history, run.model):
                path.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, ...]:
        return (*super()._files(), self.history)

    def _left_behind(self) -> set[Path]:
        return (
            super()._left_behind().union(*(RunDirectory(folder)._left_behind() for folder in self.path.glob("seed-*")))
        )

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
