"""A run while it trains: its progress on standard error, and Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from torch import Tensor

from poseplug.cli.render import err, say
from poseplug.core.errors import Interrupted
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.progress import listening
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.trainer import Trainer


class TrainingProgress(RunHook):
    """Shows a bar with the losses below it in a terminal; in a pipe, a line at every tenth of the way."""

    def __init__(self) -> None:
        console = err()
        columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._live = Live(console=console, transient=True, refresh_per_second=5)
        self._total = self._start = 0

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def configure(self, facts: RunFacts) -> None:
        """Note how many steps there are, and how far a resumed run has come already."""
        self._total, self._start = facts.steps, facts.start

    def begin(self) -> None:
        """Show the bar."""
        if self._live.console.is_terminal:
            self._progress.add_task("", total=self._total, completed=self._start)
            self._show("")
            self._live.start()

    def _show(self, losses: str) -> None:
        self._live.update(Group(self._progress, Text(losses, no_wrap=True, overflow="ellipsis")))

    def on_step(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Advance the bar."""
        for task in self._progress.task_ids:
            self._progress.update(task, completed=step)

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        """Show the losses, those of the lifter first."""
        ordered = sorted(means, key=lambda name: "/" in name)
        losses = "  ".join(f"{name} {means[name]:.4g}" for name in ordered)
        if self._live.is_started:
            self._show(losses)
        elif step == self._total or step * 10 // self._total != (step - 1) * 10 // self._total:
            say(f"step {step}/{self._total}  {losses}")


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told how many of how many are done: a bar in a terminal, nothing in a pipe."""
    columns = (
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeElapsedColumn(),
        "left",
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def preparing() -> Iterator[None]:
    """Show how far sources are that take long to be made: a bar in a terminal, nothing in a pipe."""
    columns = (BarColumn(30), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err(), transient=True, disable=not err().is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total, visible=done < total)

        with listening(show):
            yield


@contextmanager
def stop_on_interrupt(directory: RunDirectory) -> Iterator[Callable[[Trainer], None]]:
    """Give a function that is to be told of a run's trainer; from then on SIGINT asks that trainer to stop.

    The first Ctrl-C lets the step end and keeps the state, the second stops at once.

    Raises:
        Interrupted: the run was stopped at once; the message says what of it is left in its directory to resume.
    """
    before = signal.getsignal(signal.SIGINT)

    def watch(trainer: Trainer) -> None:
        def ask(*_: object) -> None:
            trainer.stop_requested = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)

    try:
        yield watch
    except KeyboardInterrupt:
        left = "nothing was written"
        if directory.checkpoint.exists():
            left = f"--resume {directory.path} continues the run from its last checkpoint"
        elif directory.experiment.exists():
            left = f"no checkpoint was written yet, so --resume {directory.path} starts the run anew"
        raise Interrupted(f"Stopped at once; {left}.") from None
    finally:
        signal.signal(signal.SIGINT, before)
