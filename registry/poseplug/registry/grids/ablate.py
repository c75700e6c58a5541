"""Running a grid: what is missing or has changed, and nothing else."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from poseplug.core.errors import Interrupted, PoseplugError
from poseplug.core.evaluation.results import write_dataset
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.grids.folder import GridFolder, Record
from poseplug.registry.grids.grid import SEED, Cell, Grid, cells_of
from poseplug.registry.grids.results import grid_dataset
from poseplug.registry.grids.run_cell import Job, Outcome
from poseplug.registry.grids.workers import InProcess, Processes, Progress, Workers

if TYPE_CHECKING:
    import xarray


class Watch:
    """Told how a grid gets on. Override what is of interest."""

    def planned(self, cells: Sequence[Cell], records: Mapping[str, Record], workers: Workers) -> None:
        """The grid is about to begin; ``records`` tell what has ended before."""

    def started(self, job: Job) -> None:
        """A job has begun."""

    def progress(self, job: Job, step: int, steps: int) -> None:
        """A job is at this step; from another thread where jobs are other processes."""

    def ended(self, job: Job, records: Sequence[Record]) -> None:
        """A job has ended; of one that was stopped there are no records."""


class Options(TypedDict, total=False):
    """How a grid is run; each may be left out.

    Attributes:
        name: what reports call it; the folder's name by default.
        jobs: how many cells are done at a time; with more than one each in a process of its own.
        device: where to compute.
        workers: makes who does the jobs, where it is not this machine.
        watch: told how it gets on.
        retry: run cells again that have failed before.
        keep_checkpoints: keep the training states of finished cells, so that they can be trained longer.
    """

    name: str
    jobs: int
    device: str
    workers: Callable[[Progress], Workers] | None
    watch: Watch | None
    retry: bool
    keep_checkpoints: bool


def ablate(
    grid: Grid,
    folder: Path,
    catalogue: Catalogue,
    *,
    name: str = "",
    jobs: int = 1,
    device: str = "auto",
    workers: Callable[[Progress], Workers] | None = None,
    watch: Watch | None = None,
    retry: bool = False,
    keep_checkpoints: bool = False,
) -> xarray.Dataset:
    """Run the cells of a grid that have not ended in a folder before; return all results.

    Args:
        grid: what to run.
        folder: where it is kept; it may hold an earlier state of this or a similar grid.
        catalogue: where components come from.
        others: see ``Options``.

    Raises:
        PoseplugError: no cell can be; the folder holds something else, or is in use.
        Interrupted: the workers were asked to stop; calling it again goes on.
    """
    cells = cells_of(grid, catalogue)
    check_possible(cells)
    place, watch = GridFolder(folder.absolute()), watch or Watch()
    with place.locked():
        place.write_grid(grid, cells, name or folder.absolute().name)
        if workers is not None:
            working = workers(watch.progress)
        elif jobs == 1:
            working = InProcess(catalogue, device, watch.progress)
        else:
            working = Processes(jobs, device, place.path / "workers.log", watch.progress)
        with closing(working):
            missing = _run(grid, cells, place, working, watch, retry=retry, keep=keep_checkpoints)
        # Not after an error: the journal has it all, and a disk that is full would only fail once more.
        dataset = grid_dataset(place)
        write_dataset(place.results, dataset)
    if missing:
        raise Interrupted(f"Stopped; call it again to go on, all that was done is kept in '{place.path}'.")
    return dataset


def check_possible(cells: Sequence[Cell]) -> None:
    """Raise PoseplugError, with the reasons, unless some cell can be."""
    if all(cell.obstacle for cell in cells):
        reasons = "\n  ".join(dict.fromkeys(cell.obstacle for cell in cells))
        raise PoseplugError(f"No cell of this grid can be:\n  {reasons}")


def _run(
    grid: Grid, cells: Sequence[Cell], place: GridFolder, workers: Workers, watch: Watch, *, retry: bool, keep: bool
) -> bool:
    """Run what is missing, or as much of it as is done before the workers are stopped; say whether some still is."""
    state = _State(place, watch, place.records())
    for cell in cells:
        ended = state.records.get(cell.identity)
        if not cell.obstacle and (ended is None or (retry and ended.state == "failed")):
            state.missing.setdefault(cell.identity, cell)
    failed = {identity for identity, record in state.records.items() if record.state == "failed"}
    waiting = deque(_jobs(grid, list(state.missing.values()), place, keep=keep, failed=failed))
    watch.planned(cells, state.records, workers)
    written, pause = time.monotonic(), 5.0
    while workers.busy or (waiting and not workers.stopped):
        while workers.free and (job := state.next(waiting)):
            start = state.records.get(job.after)
            if start is not None and start.state == "failed":
                reason = f"it starts from the weights of a cell that failed: {start.reason}"
                state.record(job, Outcome(failure=reason))
                continue
            if start is not None:
                job = attrs.evolve(job, document={**job.document, "pretrained": str(place.path / start.folder)})
            watch.started(job)
            workers.start(job)
        for job, outcome in workers.wait(1.0):
            state.record(job, outcome)
        if time.monotonic() - written > pause:
            began = time.monotonic()
            write_dataset(place.results, grid_dataset(place))
            written = time.monotonic()
            pause = max(5.0, 30 * (written - began))
    return bool(state.missing)


def _jobs(grid: Grid, cells: Sequence[Cell], place: GridFolder, *, keep: bool, failed: set[str]) -> Iterator[Job]:
    """Give a job for each cell, or for neighbours that differ only in their seed, which follow each other."""

    def alike(numbered: tuple[int, Cell]) -> Any:
        number, cell = numbered
        apart = not grid.together or cell.after
        return cell.identity if apart else [{**cell.labels, SEED: 0}, int(cell.labels[SEED]) - number]

    for _, numbered in groupby(enumerate(cells), alike):
        group = [cell for _, cell in numbered]
        first = group[0]
        yield Job(
            folder=str(place.run_of(first.identity + (f"-{len(group)}" if len(group) > 1 else "")).path),
            document={**first.document, "seeds": len(group)},
            cells={int(cell.labels[SEED]): cell.identity for cell in group},
            after=first.after,
            anew=any(cell.identity in failed for cell in group),
            keep_checkpoint=keep,
        )


@attrs.frozen
class _State:
    """How far a grid is: what has ended, by identity, and what is missing, where equal cells are one."""

    place: GridFolder
    watch: Watch
    records: dict[str, Record]
    missing: dict[str, Cell] = attrs.field(factory=dict)

    def next(self, waiting: deque[Job]) -> Job | None:
        """Take the first job whose start is there, or will never be."""
        for job in waiting:
            if not job.after or (job.after in self.records and job.after not in self.missing):
                waiting.remove(job)
                return job
        return None

    def record(self, job: Job, outcome: Outcome) -> None:
        """Note how the cells of a job ended; those of one that was stopped have not."""
        found = []
        seconds = round(outcome.seconds / len(job.cells), 3)
        for identity in () if outcome.stopped else job.cells.values():
            if outcome.failure:
                record = Record(identity, "failed", seconds=seconds, reason=outcome.failure)
            else:
                where = str(Path(outcome.folders[identity]).relative_to(self.place.path))
                record = Record(identity, "done", outcome.results[identity], seconds, where)
            self.place.record(record)
            self.records[identity] = record
            self.missing.pop(identity, None)
            found.append(record)
        self.watch.ended(job, found)
