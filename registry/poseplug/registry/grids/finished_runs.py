"""Finished runs as one data set of results, whoever trained them; and a grid's, opened from its folder.

The form is the same for both, described in docs/reports.md: a dimension for each factor, then ``seed``, ``evaluation``
and ``metric``. Of runs there is one factor, ``run``: those that are equal up to their seed share a label.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import Document, differences, read_document
from poseplug.registry.grids.folder import GridFolder
from poseplug.registry.grids.results import Place, grid_dataset, results_dataset
from poseplug.registry.runs.evaluate import runs_in

if TYPE_CHECKING:
    import xarray

_UNFINISHED = "not finished: no result.json; 'poseplug run --resume' finishes it"


@attrs.frozen(eq=False)
class _Run:
    folder: Path
    name: str
    document: Document
    result: Mapping[str, Any] | None

    @property
    def seed(self) -> int:
        return int(self.document["seed"])

    @property
    def setting(self) -> str:
        """The experiment without its seed, as text."""
        return json.dumps({k: v for k, v in self.document.items() if k not in ("seed", "seeds")}, sort_keys=True)

    @property
    def measured(self) -> dict[str, tuple[str, str]]:
        """Of each evaluation the protocol and the source, as text."""
        if self.result is None:
            return {}
        protocol, sources = json.dumps(self.result["protocol"]), self.document.get("eval", {})
        return {label: (protocol, json.dumps(sources.get(label, {}))) for label in self.result["metrics"]}


def open_results(*paths: Path | str) -> xarray.Dataset:
    """Return the results of a grid's folder, or those of runs, with the folders of cells as absolute paths.

    Raises:
        PoseplugError: a path holds neither; a grid stands beside other paths; a file is damaged.
    """
    import xarray

    folders = [Path(path) for path in paths]
    grids = [path for path in folders if GridFolder(path).grid.exists() or GridFolder(path).results.exists()]
    if not grids:
        return runs_dataset(folders)
    if len(folders) > 1:
        raise PoseplugError(f"'{grids[0]}' is a grid, which is looked at by itself; leave out the other paths.")
    grid = GridFolder(grids[0].absolute())
    if grid.grid.exists():
        return grid_dataset(grid)
    try:  # the data set alone may have come from elsewhere
        with xarray.open_dataset(grid.results, engine="h5netcdf") as stored:
            results = stored.load()
    except (OSError, ValueError, KeyError) as error:
        raise PoseplugError(f"'{grid.results}' is damaged or was not written by poseplug ({error}).") from error
    absolute = [str(grid.path / str(folder)) if folder else "" for folder in results["folder"].values.flat]
    return results.assign(folder=(results["folder"].dims, np.reshape(absolute, results["folder"].shape)))


def runs_dataset(paths: Sequence[Path]) -> xarray.Dataset:
    """Return the results of runs as a data set with the one factor ``run``.

    Runs that are equal up to their seed are one label with several seeds, and so is a run of several seeds. A path may
    also be a folder of runs. An evaluation that was measured under two protocols, or on two sources, is taken apart.

    Raises:
        PoseplugError: no runs, or a damaged result.
    """
    groups = _groups([together for path in paths for together in _read(path)])
    if not groups:
        raise PoseplugError("There are no runs here; name the folders that 'poseplug run --out' has written.")
    return _dataset(dict(zip(_labels(list(groups)), groups, strict=True)), paths)


# ------------------------------------------------------------------ reading


def _read(path: Path) -> list[list[_Run]]:
    """Return the runs in a path, those that were trained together in one list."""
    directory = RunDirectory(path)
    if not directory.experiment.exists() and path.is_dir():
        within = sorted(child.parent for child in path.glob("*/experiment.toml"))
        if within:
            return [together for folder in within for together in _read(folder)]
    directory.check_run()
    name = _name(path)
    return [[_read_one(run, name) for run in (runs_in(directory) or [directory])]]


def _name(path: Path) -> str:
    """Return how a folder is called; a seed's with the name of the run that it belongs to."""
    path = path.absolute()
    return path.parent.name if re.fullmatch(r"seed-\d+", path.name) else path.name


def _read_one(directory: RunDirectory, name: str) -> _Run:
    result = None
    if directory.result.exists():
        try:
            result = json.loads(directory.result.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PoseplugError(f"'{directory.result}' is damaged ({error}).") from error
    return _Run(directory.path.absolute(), name, read_document(directory.experiment), result)


# ------------------------------------------------------------------ labels


def _groups(runs: Sequence[Sequence[_Run]]) -> list[dict[int, _Run]]:
    """Return runs that are equal up to their seed by seed; a seed that was run twice begins another group."""
    groups: list[dict[int, _Run]] = []
    alike: dict[str, list[dict[int, _Run]]] = {}
    for together in runs:
        by_seed = {run.seed: run for run in together}
        found = alike.setdefault(together[0].setting, [])
        group = next((group for group in found if not group.keys() & by_seed), None)
        if group is None:
            found.append(by_seed)
            groups.append(by_seed)
        else:
            group.update(by_seed)
    return groups


def _labels(groups: Sequence[Mapping[int, _Run]]) -> list[str]:
    """Return what each group is called: its folder, or what its folders have in common; each name once."""
    common = [_common([run.name for run in group.values()]) for group in groups]
    names = list(common)
    for i, group in enumerate(groups):
        if common.count(common[i]) > 1:
            folder = next(iter(group.values())).folder
            above = folder.parent.parent if _name(folder) != folder.name else folder.parent
            names[i] = f"{above.name}/{names[i]}"
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[i] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names


def _common(names: Sequence[str]) -> str:
    if len(set(names)) == 1:
        return names[0]
    prefix = re.sub(r"[-_. ]+(s|seed)?[-_. ]*$", "", os.path.commonprefix(names))  # noqa: RUF071
    return prefix or names[0]


def _evaluations(runs: Sequence[_Run]) -> dict[tuple[str, str, str], str]:
    """Return a coordinate for every evaluation by label, protocol and source."""
    keys = dict.fromkeys((label, *how) for run in runs for label, how in run.measured.items())
    named: dict[tuple[str, str, str], str] = {}
    for key in keys:
        label, protocol, source = key
        alike = [other for other in keys if other[0] == label]
        said = [json.loads(protocol)["name"]] if len({other[1] for other in alike}) > 1 else []
        if len({other[2] for other in alike}) > 1:
            first = json.loads(next(iter(alike))[2])
            said += [_short(first, json.loads(source)) or "as first"]
        name = f"{label} ({', '.join(said)})" if said else label
        while name in named.values():  # protocols of one name may still differ, by the skeleton for example
            name += "'"
        named[key] = name
    return named


def _short(first: Document, other: Document) -> str:
    lines = [line.split(": ", 1) for line in differences(first, other)]
    return ", ".join(f"{key}={change.split(' -> ')[-1]}".replace("'", "") for key, change in lines)


# ------------------------------------------------------------------ the data set


def _dataset(groups: Mapping[str, Mapping[int, _Run]], paths: Sequence[Path]) -> xarray.Dataset:
    runs = [run for group in groups.values() for run in group.values()]
    seeds, named = sorted({run.seed for run in runs}), _evaluations(runs)
    states: dict[Place, tuple[str, str, str, float]] = {}
    results: dict[Place, Mapping[str, Any]] = {}
    columns: dict[Place, Mapping[str, str]] = {}
    for i, label in enumerate(groups):
        for seed in seeds:
            place, run = (i, seeds.index(seed)), groups[label].get(seed)
            if run is None or run.result is None:
                states[place] = "missing", _UNFINISHED if run else "", str(run.folder) if run else "", np.nan
                continue
            # Seeds that were trained together share their time.
            seconds = (run.result.get("seconds") or np.nan) / len(run.result.get("trained_with", [0]))
            states[place] = "done", "", str(run.folder), seconds
            results[place] = run.result
            columns[place] = {label: named[label, *how] for label, how in run.measured.items()}
    documents = [{"run": label, **next(iter(group.values())).document} for label, group in groups.items()]
    attributes = {
        "name": _name(paths[0]) if len(paths) == 1 else f"{len(groups)} runs",
        "grid": json.dumps(documents),
    }
    coords = {"run": np.array(list(groups), dtype=str), "seed": np.array(seeds)}
    protocols = {name: protocol for (_, protocol, _), name in named.items()}
    return results_dataset(coords, states, results, columns, protocols, attributes)
