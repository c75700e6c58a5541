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
    directory, together = RunDirectory(Path(job.folder)), len(job.cells) > 1
    if job.anew and directory.path.exists():
        shutil.rmtree(directory.path)
    folders = {seed: directory.of_seed(seed) if together else directory for seed in job.cells}
    if not directory.result.exists():
        plan = make_plan(job.document, catalogue)
        try:
            resume = directory.experiment.exists()
            execute(
                plan,
                catalogue,
                pick_device(device),
                directory,
                resume=resume,
                hooks={"grid": _Watch(tell)},
                began=began,
            )
        except SeedsApart:
            results: dict[str, Any] = {}
            places: dict[str, str] = {}
            for seed, cell in job.cells.items():
                alone = attrs.evolve(
                    job,
                    folder=str(directory.of_seed(seed).path),
                    document={**job.document, "seed": seed, "seeds": 1},
                    cells={seed: cell},
                )
                found = _run(alone, catalogue, device, tell, began)
                results, places = results | found[0], places | found[1]
            return results, places
    read = {cell: json.loads(folders[seed].result.read_text(encoding="utf-8")) for seed, cell in job.cells.items()}
    if not job.keep_checkpoint:
        shutil.rmtree(directory.checkpoint.parent, ignore_errors=True)
    return read, {cell: str(folders[seed].path) for seed, cell in job.cells.items()}
