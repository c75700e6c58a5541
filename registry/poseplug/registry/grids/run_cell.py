"""One job of a grid: a cell, or several seeds of a combination side by side, from wherever its run directory is."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from filelock import FileLock

from poseplug.core.errors import Interrupted, PoseplugError, in_words
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.runtime import pick_device
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.experiment_file import Document
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.build import SeedsApart
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan

Tell = Callable[[int, int], None]


@attrs.frozen
class Job:
    """What a process does at a time.

    Attributes:
        folder: the run directory.
        document: the experiment; one of several seeds for cells that are trained side by side.
        cells: the identities of the cells, by seed.
        after: the identity of the cell that it starts from; "" for none.
        anew: throw away what a failed attempt has left.
        keep_checkpoint: whether the training state stays when the run is finished.
    """

    folder: str
    document: Document
    cells: Mapping[int, str]
    after: str = ""
    anew: bool = False
    keep_checkpoint: bool = False


@attrs.frozen
class Outcome:
    """How a job ended.

    Attributes:
        results: the result objects of the cells that are done, by identity.
        folders: their run directories.
        seconds: how long it took.
        failure: why it failed; "" where it did not.
        stopped: it was asked to stop; what it had done is kept.
    """

    results: Mapping[str, Any] = attrs.field(factory=dict)
    folders: Mapping[str, str] = attrs.field(factory=dict)
    seconds: float = 0.0
    failure: str = ""
    stopped: bool = False


class _Watch(RunHook):
    """Tells how far a run is, at most a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._steps, self._told = tell, 0, 0.0

    def configure(self, facts: RunFacts) -> None:
        self._steps = facts.steps
        self._tell(facts.start, facts.steps)

    def on_step(self, step: int, losses: Mapping[str, Any]) -> None:
        if (now := time.monotonic()) - self._told > 0.3:
            self._told = now
            self._tell(step, self._steps)


def run_job(job: Job, catalogue: Catalogue, device: str, tell: Tell, began: Callable[[Trainer], None]) -> Outcome:
    """Do a job; whatever goes wrong in it becomes its outcome.

    Args:
        job: what to do.
        catalogue: where components come from.
        device: where to compute.
        tell: told of (step, steps) now and then.
        began: called with the trainer before the first step, so that it can be asked to stop.
    """
    start = time.monotonic()
    try:
        # A process that outlives the grid it worked for, if only for a moment, must not write beside this one.
        Path(job.folder).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(Path(job.folder).with_name(f".{Path(job.folder).name}.lock")):
            if job.anew and Path(job.folder).exists():
                shutil.rmtree(job.folder)
            results, folders = _run(job, catalogue, device, tell, began)
        return Outcome(results, folders, time.monotonic() - start)
    except Interrupted:
        return Outcome(seconds=time.monotonic() - start, stopped=True)
    except PoseplugError as error:
        return Outcome(seconds=time.monotonic() - start, failure=str(error))
    except Exception as error:
        notes = " ".join([in_words(error), *getattr(error, "__notes__", ())])
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(seconds=time.monotonic() - start, failure=f"{notes} ({where.filename}:{where.lineno})")


def _run(
    job: Job, catalogue: Catalogue, device: str, tell: Tell, began: Callable[[Trainer], None]
) -> tuple[dict[str, Any], dict[str, str]]:
    directory = RunDirectory(Path(job.folder))
    if not directory.result.exists():
        plan, resume = make_plan(job.document, catalogue), directory.experiment.exists()
        hooks, where = {"grid": _Watch(tell)}, pick_device(device)
        try:
            execute(plan, catalogue, where, directory, resume=resume, hooks=hooks, began=began)
        except SeedsApart:
            return _run_apart(job, catalogue, device, tell, began)
    if not job.keep_checkpoint:
        shutil.rmtree(directory.checkpoint.parent, ignore_errors=True)
    runs = {cell: directory.of_seed(seed) if len(job.cells) > 1 else directory for seed, cell in job.cells.items()}
    results = {cell: json.loads(run.result.read_text(encoding="utf-8")) for cell, run in runs.items()}
    return results, {cell: str(run.path) for cell, run in runs.items()}


def _run_apart(
    job: Job, catalogue: Catalogue, device: str, tell: Tell, began: Callable[[Trainer], None]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run one after the other the seeds of a job that cannot be trained side by side."""
    results: dict[str, Any] = {}
    folders: dict[str, str] = {}
    for seed, cell in job.cells.items():
        document = {**job.document, "seed": seed, "seeds": 1}
        folder = RunDirectory(Path(job.folder)).of_seed(seed).path
        alone = attrs.evolve(job, folder=str(folder), document=document, cells={seed: cell})
        found = _run(alone, catalogue, device, tell, began)
        results, folders = results | found[0], folders | found[1]
    return results, folders
