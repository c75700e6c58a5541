"""Runs by what users call them: a folder, or the name of a trained model that a plugin brings."""

from __future__ import annotations

from pathlib import Path

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import MODEL, Catalogue


def find_run(said: str | Path, catalogue: Catalogue) -> RunDirectory:
    """Return the directory of a run: the folder of that path, or else the model of that name.

    Raises:
        PoseplugError: there is neither.
    """
    directory = RunDirectory(Path(said).expanduser())
    if directory.path.exists():
        return directory
    known = [entry.name for entry in catalogue.of(MODEL)]
    if str(said).rpartition(":")[2] in known:
        return RunDirectory(Path(catalogue.find(MODEL, str(said)).target))
    missing = catalogue.not_installed(str(said), MODEL) or did_you_mean(str(said), known)
    raise PoseplugError(
        f"'{said}' holds no run; expected a folder that 'poseplug run --out' has written, or the name of a trained "
        f"model.{missing}"
    )
