"""Running a grid: what is missing or has changed, and nothing else."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        name: what reports call it; the folder's name by default.
        jobs: how many cells are done at a time; with 1 they are done in this process.
        device: where to compute.
        workers: makes who does the jobs, where it is not processes of this machine.
        watch: told how it gets on.
        retry: run cells again that have failed before.
        keep_checkpoints: keep the training states of finished cells, so that they can be trained on.

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
        try:
            _run(grid, cells, place, working, watch, retry=retry, keep=keep_checkpoints)
        finally:
            working.close()
            dataset = grid_dataset(place)
            write_dataset(place.results, dataset)
    return dataset


def check_possible(cells: Sequence[Cell]) -> None:
    """Raise PoseplugError, with the reasons, unless some cell can be."""
    if all(cell.obstacle for cell in cells):
        reasons = "\n  ".join(dict.fromkeys(cell.obstacle for cell in cells))
        raise PoseplugError(f"No cell of this grid can be:\n  {reasons}")


def _run(
    grid: Grid, cells: Sequence[Cell], place: GridFolder, workers: Workers, watch: Watch, *, retry: bool, keep: bool
) -> None:
    records = place.records()
    missing: dict[str, Cell] = {}  # equal cells are run once
    for cell in cells:
        ended = records.get(cell.identity)
        if not cell.obstacle and (ended is None or (retry and ended.state == "failed")):
            missing.setdefault(cell.identity, cell)
    failed = {identity for identity, record in records.items() if record.state == "failed"}
    waiting = deque(_jobs(grid, list(missing.values()), place, keep=keep, failed=failed))
    watch.planned(cells, records, workers)
    written, pause = time.monotonic(), 5.0
    while waiting or workers.busy:
        while workers.free and (job := _next(waiting, records, missing)):
            start = records.get(job.after)
            if start is not None and start.state == "failed":
                reason = f"it starts from the weights of a cell that failed: {start.reason}"
                _record(place, records, missing, watch, job, Outcome(failure=reason))
                continue
            if start is not None:
                job = attrs.evolve(job, document={**job.document, "pretrained": str(place.path / start.folder)})
            watch.started(job)
            workers.start(job)
        for job, outcome in workers.wait(1.0):
            _record(place, records, missing, watch, job, outcome)
        if workers.stopped and not workers.busy:
            raise Interrupted(f"Stopped; call it again to go on, all that was done is kept in '{place.path}'.")
        if time.monotonic() - written > pause:
            began = time.monotonic()
            write_dataset(place.results, grid_dataset(place))
            written = time.monotonic()
            pause = max(5.0, 30 * (written - began))


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


def _next(waiting: deque[Job], records: Mapping[str, Record], missing: Mapping[str, Cell]) -> Job | None:
    """Take the first job whose start is there, or will never be."""
    for job in waiting:
        if not job.after or (job.after in records and job.after not in missing):
            waiting.remove(job)
            return job
    return None


def _record(
    place: GridFolder,
    records: dict[str, Record],
    missing: dict[str, Cell],
    watch: Watch,
    job: Job,
    outcome: Outcome,
) -> None:
    found = []
    for identity in () if outcome.stopped else job.cells.values():
        seconds = round(outcome.seconds / len(job.cells), 3)
        if outcome.failure:
            record = Record(identity, "failed", seconds=seconds, reason=outcome.failure)
        else:
            where = str(Path(outcome.folders[identity]).relative_to(place.path))
            record = Record(identity, "done", outcome.results[identity], seconds, where)
        place.record(record)
        records[identity] = record
        missing.pop(identity, None)
        found.append(record)
    watch.ended(job, found)
