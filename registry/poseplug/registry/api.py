"""poseplug from Python: what the verbs of the command line do, for scripts and notebooks.

An experiment is a dictionary like an experiment file's, or the path of such a file. In a dictionary parts may be said
as on the command line ("mlp:channels=512", "rigid+jitter", lists of these, "none"), ``recipe`` names a set-up to start
from, and a key with a dot sets one setting ("lifter.channels"). What is not said has its default.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import kind_names
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import Document, lay_over, read_document
from poseplug.registry.config.set_flag import set_at
from poseplug.registry.config.shorthand import experiment_of
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.datasets.from_python import (
    check_limits,
    convert_data,
    inspect_data,
    learn_limits,
    plot_data,
)
from poseplug.registry.discovery.catalogue import Catalogue, Entry, load_catalogue
from poseplug.registry.discovery.manager import Plugin
from poseplug.registry.lifting.from_python import lift_file as lift_file

if TYPE_CHECKING:
    import xarray

    from poseplug.core.hooks import RunHook
    from poseplug.core.models.lifting_model import LiftingModel
    from poseplug.registry.conformance import Verdict
    from poseplug.registry.export.export import Exported
    from poseplug.registry.grids.ablate import Options
    from poseplug.registry.grids.grid import Cell, Grid
    from poseplug.registry.lifting.in_memory import Options as ArrayOptions
    from poseplug.registry.lifting.lifted import LiftedPoses
    from poseplug.registry.runs.plan import Plan

__all__ = [
    "FinishedRun",
    "ablate",
    "cells",
    "check",
    "check_limits",
    "components",
    "convert_data",
    "inspect_data",
    "learn_limits",
    "lift_file",
    "load_grid",
    "load_run",
    "new",
    "plot_data",
    "plugins",
    "rehearse",
    "train",
]

Said = Mapping[str, Any] | Path | str


@attrs.frozen
class FinishedRun:
    """A finished run. What is in its folder is read when it is first asked for.

    Attributes:
        path: its folder.
        result: what ``result.json`` holds.
        device: where its model is put, and evaluated.
    """

    path: Path
    result: Mapping[str, Any] = attrs.field(repr=False, eq=False)
    device: str = "auto"

    @cached_property
    def plan(self) -> Plan:
        """What it was made of: its settings, parts and phases."""
        from poseplug.registry.runs.plan import make_plan

        return make_plan(self.experiment, load_catalogue())

    @property
    def experiment(self) -> Document:
        """What ``experiment.toml`` holds: every part and setting, with its defaults."""
        return read_document(RunDirectory(self.path).experiment)

    @cached_property
    def model(self) -> LiftingModel:
        """The trained model in evaluation mode: ``predict(batch)`` gives [N, J, 3], root-relative, metres.

        Raises:
            PoseplugError: the run has several seeds; take one of ``seeds``.
        """
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.runs.saved_model import open_run

        return open_run(RunDirectory(self.path), load_catalogue(), pick_device(self.device))[1]

    @cached_property
    def history(self) -> xarray.Dataset:
        """Losses over steps, and all metrics; of several seeds with the dimension "seed"."""
        import xarray

        own = RunDirectory(self.path).history
        if own.exists() or "trained_with" not in self.result:
            return xarray.load_dataset(own, engine="h5netcdf")
        return load_run(self.path.parent).history.sel(seed=self.result["seed"])

    @property
    def seeds(self) -> tuple[FinishedRun, ...]:
        """The run of each seed; of a run of one seed this one alone."""
        if "seeds" not in self.result:
            return (self,)
        directory = RunDirectory(self.path)
        return tuple(load_run(directory.of_seed(seed).path, self.device) for seed in self.result["seeds"])

    def evaluate(
        self,
        sources: Mapping[str, str | Document] | None = None,
        protocol: str = "",
        metrics: Sequence[str | Document] = (),
    ) -> dict[str, Any]:
        """Evaluate the run again; return a result object without the facts of the training, of several seeds means.

        Args:
            sources: what to evaluate on, by label; by default what the run was evaluated on.
            protocol: how to measure; by default as the run did.
            metrics: what to measure besides what the run did.

        Raises:
            PoseplugError: bad sources, or of another skeleton; an unknown protocol.
        """
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.runs.evaluate import evaluate_run

        return evaluate_run(
            RunDirectory(self.path),
            load_catalogue(),
            pick_device(self.device),
            {label: _table(source) for label, source in (sources or {}).items()},
            protocol,
            [_table(metric) for metric in metrics],
        )

    def lift(self, keypoints: Any, confidence: Any = None, **options: Unpack[ArrayOptions]) -> LiftedPoses:
        """Lift 2D key points [N, K, 2] in pixels, NaN where not found; their confidence [N, K] is in [0, 1].

        ``poseplug.registry.lifting.in_memory.Options`` explains the options.
        """
        from poseplug.registry.lifting.in_memory import lift_arrays

        return lift_arrays(self.path, keypoints, confidence, {"device": self.device, **options})

    def export(self, out: Path | str = ".", *formats: str, flip: bool = False, force: bool = False) -> list[Exported]:
        """Write it as programs that need no poseplug; see ``export_run`` for the arguments, and for what it raises."""
        from poseplug.registry.export.export import export_run

        return export_run(RunDirectory(self.path), load_catalogue(), Path(out), formats, flip=flip, force=force)


def train(
    experiment: Said,
    *,
    out: Path | str | None = None,
    device: str = "auto",
    resume: bool = False,
    hooks: Mapping[str, RunHook] | None = None,
) -> FinishedRun:
    """Train and evaluate a run.

    Interrupted, it leaves what ``resume`` goes on from: its last checkpoint.

    Args:
        experiment: what it is made of; see the top of this module.
        out: its folder; by default a new one in ``runs``.
        device: "auto", "cpu", "cuda" or "cuda:K".
        resume: go on with the run in ``out``. It keeps its own settings; ``experiment`` may give another number of
            ``steps`` or ``epochs``, and is {} otherwise.
        hooks: told about the run by their methods, besides those that the experiment names.

    Raises:
        PoseplugError: what was asked cannot be.
        TrainingFailed: a loss or a parameter became NaN or infinite; the last good state is kept.
    """
    from poseplug.core.training.runtime import pick_device
    from poseplug.registry.runs.execute import execute, new_directory
    from poseplug.registry.runs.plan import make_plan
    from poseplug.registry.runs.resume import resumed_plan

    catalogue, where = load_catalogue(), pick_device(device)
    document: Callable[[Document], Document] = partial(_document, experiment, catalogue)
    if not resume:
        plan = make_plan(document({}), catalogue)
        directory = new_directory(plan, None if out is None else Path(out))
    elif out is None:
        raise PoseplugError("A run is resumed in its own folder; give it as 'out'.")
    else:
        directory = RunDirectory(Path(out))
        plan = resumed_plan(directory, document, catalogue)
    execute(plan, catalogue, where, directory, resume=resume, hooks=hooks, warn=_warn)
    return load_run(directory.path, device)


def load_run(path: Path | str, device: str = "auto") -> FinishedRun:
    """Open a finished run, or one of several seeds: a folder, or the name of a trained model that a plugin brings.

    Raises:
        PoseplugError: there is no such model, and the folder holds no run, or one that is not finished.
    """
    from poseplug.registry.runs.find_run import find_run

    directory = find_run(path, load_catalogue())
    directory.check_run()
    if not directory.result.exists():
        raise PoseplugError(f"'{path}' holds a run that is not finished; finish it by resuming it.")
    return FinishedRun(directory.path.absolute(), json.loads(directory.result.read_text(encoding="utf-8")), device)


def rehearse(experiment: Said, device: str = "auto") -> Document:
    """Check an experiment, take one step with two poses, and return it with every default spelt out.

    Raises:
        PoseplugError: what ``train`` would raise before it trains.
    """
    from poseplug.core.training.runtime import pick_device
    from poseplug.registry.runs import execute
    from poseplug.registry.runs.plan import make_plan

    catalogue = load_catalogue()
    plan = make_plan(_document(experiment, catalogue, {}), catalogue)
    execute.rehearse(plan, catalogue, pick_device(device))
    return plan.document


def ablate(
    grid: Said, out: Path | str, *, values: Mapping[str, str] | None = None, **options: Unpack[Options]
) -> xarray.Dataset:
    """Run what is missing or has changed of a grid; return all its results, by factor, seed, evaluation and metric.

    Args:
        grid: a grid file, or what stands in one.
        out: the grid's folder.
        values: what ``${NAME}`` stands for in the grid.
        options: ``name``, ``jobs``, ``device``, ``workers``, ``watch``, ``retry`` and ``keep_checkpoints``, which are
            explained in ``poseplug.registry.grids.ablate.Options``.

    Raises:
        PoseplugError: the grid says something that cannot be, or its folder is in use or holds something else.
    """
    from poseplug.registry.grids.ablate import ablate as run_grid

    catalogue = load_catalogue()
    return run_grid(_grid(grid, catalogue, values), Path(out), catalogue, **options)


def cells(grid: Said, values: Mapping[str, str] | None = None) -> list[Cell]:
    """Return the cells of a grid, with the reason for each that cannot be, without running any."""
    from poseplug.registry.grids.grid import cells_of

    catalogue = load_catalogue()
    return cells_of(_grid(grid, catalogue, values), catalogue)


def load_grid(path: Path | str) -> xarray.Dataset:
    """Return all that is known of the grid in a folder; raise PoseplugError if there is none."""
    from poseplug.registry.grids.folder import GridFolder
    from poseplug.registry.grids.results import grid_dataset

    return grid_dataset(GridFolder(Path(path).absolute()))


def components(kind: str = "") -> list[Entry]:
    """Return what is installed of a kind, or of all; ``load()`` of each gives its class, whose ``Config`` its settings.

    Raises:
        PoseplugError: there is no such kind.
    """
    return load_catalogue().listed(kind)


def plugins() -> tuple[Plugin, ...]:
    """Return the plugins, with the ``problem`` of each that takes no part."""
    return load_catalogue().plugins


def check(component: str, device: str = "cpu") -> dict[str, list[Verdict]]:
    """Check whether a component keeps the promises of its interface; return the verdicts by kind and name.

    Args:
        component: "NAME" or "NAME:key=value,..."; of several kinds' components of one name all are checked.
        device: where to compute.

    Raises:
        PoseplugError: there is no such component, or it does not have or allow such settings.
    """
    from poseplug.registry.conformance import check_entry

    settings = parse_spec(component)
    entries = load_catalogue().named(settings.pop("name"), kind_names())
    return {f"{entry.kind} {entry.name}": check_entry(entry, settings, device=device) for entry in entries}


def new(name: str, kind: str, into: Path | str = ".", author: str = "") -> Path:
    """Write a small, complete plugin package with a component of a kind; return its folder.

    Raises:
        PoseplugError: an unknown kind, a name that is taken, a folder that is there.
    """
    from poseplug.registry.scaffold import write_plugin

    return write_plugin(name, kind, Path(into), load_catalogue(), author)


def _document(said: Said, catalogue: Catalogue, below: Document) -> Document:
    """Lay what was said of an experiment over a document."""
    said = said if isinstance(said, Mapping) else read_document(Path(said))
    document = lay_over(below, experiment_of({k: v for k, v in said.items() if "." not in k}, catalogue))
    for path, value in said.items():
        if "." in path:
            document = set_at(document, path, value)
    return document


def _grid(said: Said, catalogue: Catalogue, values: Mapping[str, str] | None) -> Grid:
    from poseplug.registry.grids.grid_file import grid_from, read_grid

    if isinstance(said, Mapping):
        return grid_from(dict(said), catalogue, values)
    return read_grid(Path(said), catalogue, values)


def _table(part: str | Document) -> Document:
    return parse_spec(part) if isinstance(part, str) else part


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)
