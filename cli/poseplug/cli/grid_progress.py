"""A grid while it runs: what is done, running and failed, the best so far, the time left; and Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from poseplug.cli.render import err
from poseplug.registry.grids.ablate import Watch
from poseplug.registry.grids.folder import Record
from poseplug.registry.grids.grid import Cell
from poseplug.registry.grids.run_cell import Job
from poseplug.registry.grids.workers import Workers

_METRIC = "mpjpe_mm"


class GridProgress(Watch):
    """Shows the grid in a terminal; in a pipe, a line for every cell that has ended."""

    def __init__(self) -> None:
        self.workers: Workers | None = None
        self._console = err()
        self._live: Live | None = None
        self._all = Progress(
            BarColumn(30),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
        )
        self._task = TaskID(0)
        self._names: dict[str, str] = {}
        self._running: dict[str, tuple[int, float]] = {}
        self._counts = {"done": 0, "failed": 0}
        self._total, self._before, self._began = 0, 0, time.monotonic()
        self._best: tuple[float, str] | None = None

    def __enter__(self) -> GridProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def planned(self, cells: Sequence[Cell], records: Mapping[str, Record], workers: Workers) -> None:
        """Show the grid, as far as it has come before."""
        self.workers = workers
        possible = {cell.identity: cell for cell in cells if not cell.obstacle}
        self._names = {identity: cell.name for identity, cell in possible.items()}
        self._total = len(possible)
        alike: dict[str, list[str]] = {}
        for cell in cells:
            if cell.obstacle:
                alike.setdefault(cell.obstacle, []).append(cell.name)
        for obstacle, names in alike.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self._console.print(f"cannot be: {names[0]}{more}: {obstacle}", markup=False, soft_wrap=True)
        for record in records.values():
            if record.cell in possible:
                self._count(record)
        self._before = sum(self._counts.values())
        self._began = time.monotonic()
        if self._console.is_terminal:
            self._task = self._all.add_task("", total=self._total, completed=self._before, left="")
            self._live = Live(self._shown(), console=self._console, transient=True, refresh_per_second=4)
            self._live.start()
        elif self._before:
            self._console.print(f"{self._before} of {self._total} cells had ended before", markup=False)

    def started(self, job: Job) -> None:
        """Show a job."""
        self._running[job.folder] = len(job.cells), 0.0
        self._update()

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Show how far a job is."""
        if job.folder in self._running:
            self._running[job.folder] = len(job.cells), step / steps
            self._update()

    def ended(self, job: Job, records: Sequence[Record]) -> None:
        """Count what has ended."""
        self._running.pop(job.folder, None)
        for record in records:
            self._count(record)
            if self._live is None:
                said = record.reason or ", ".join(
                    f"{label} {metrics[_METRIC]:.1f} mm"
                    for label, metrics in record.result["metrics"].items()
                    if metrics.get(_METRIC) is not None
                )
                number = f"{sum(self._counts.values())}/{self._total}"
                text = f"{number}  {self._names.get(record.cell, record.cell)}: {record.state}, {said}"
                self._console.print(text, markup=False, soft_wrap=True)
        self._update()

    def _count(self, record: Record) -> None:
        self._counts[record.state] += 1
        if record.state == "done":
            found = [metrics.get(_METRIC) for metrics in record.result["metrics"].values()]
            if found and found[0] is not None and (self._best is None or found[0] < self._best[0]):
                self._best = found[0], self._names.get(record.cell, record.cell)

    def _update(self) -> None:
        if self._live is not None:
            self._live.update(self._shown())

    def _shown(self) -> Group:
        ended = sum(self._counts.values())
        running = list(self._running.values())
        far = ended + sum(cells * share for cells, share in running)
        text = f"{ended}/{self._total}, {sum(cells for cells, _ in running)} running, {self._counts['failed']} failed"
        since = far - self._before
        left = (time.monotonic() - self._began) * (self._total - far) / since if since > 0.02 else None
        self._all.update(
            self._task, completed=far, description=text, left="" if left is None else f"left {_clock(left)}"
        )
        lines = []
        if self._best is not None:
            lines.append(Text(f"best {self._best[0]:.1f} mm  {self._best[1]}", no_wrap=True, overflow="ellipsis"))
        return Group(self._all, *lines)


def _clock(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60}:{minutes % 60:02}:{int(seconds % 60):02}"


@contextmanager
def stop_workers_on_interrupt(watch: GridProgress) -> Iterator[None]:
    """While this lasts, the first Ctrl-C asks the workers to stop and keep their state, the second ends at once."""
    before = signal.getsignal(signal.SIGINT)

    def ask(_: int, __: FrameType | None) -> None:
        if watch.workers is None:
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, before)
        watch.workers.stop()

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
