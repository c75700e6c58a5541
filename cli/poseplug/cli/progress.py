"""A run while it trains: its progress on standard error, and Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from poseplug.cli.render import err
from poseplug.core.errors import Interrupted
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.trainer import Trainer


class TrainingProgress(RunHook):
    """Shows a bar with the losses below it in a terminal; in a pipe, a line at every tenth of the way."""

    def __init__(self) -> None:
        self.console = err()
        self.total = 0
        columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
        self._progress = Progress(*columns, console=self.console)
        self._task = TaskID(0)
        self._live: Live | None = None

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def configure(self, facts: RunFacts) -> None:
        """Show the bar, as far as a resumed run has come already."""
        self.total = facts.steps
        if self.console.is_terminal:
            self._task = self._progress.add_task("", total=facts.steps, completed=facts.start)
            self._live = Live(self._shown(""), console=self.console, transient=True, refresh_per_second=5)
            self._live.start()

    def _shown(self, losses: str) -> Group:
        return Group(self._progress, Text(losses, no_wrap=True, overflow="ellipsis"))

    def on_step(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Advance the bar."""
        if self._live is not None:
            self._progress.update(self._task, completed=step)

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        """Show the losses, those of the lifter first."""
        ordered = sorted(means, key=lambda name: "/" in name)
        losses = "  ".join(f"{name} {means[name]:.4g}" for name in ordered)
        if self._live is not None:
            self._live.update(self._shown(losses))
        elif step == self.total or step * 10 // self.total != (step - 1) * 10 // self.total:
            self.console.print(f"step {step}/{self.total}  {losses}", markup=False, soft_wrap=True)


@contextmanager
def stop_on_interrupt(directory: RunDirectory) -> Iterator[Callable[[Trainer], None]]:
    """Give a function that is to be told of the trainer; from then on SIGINT asks that trainer to stop.

    The first Ctrl-C lets the step end and keeps the state, the second stops at once.

    Args:
        directory: where the run leaves its state.

    Raises:
        Interrupted: the run was stopped at once; the message says what is left to resume.
    """
    before = signal.getsignal(signal.SIGINT)

    def watch(trainer: Trainer) -> None:
        def ask(_: int, __: FrameType | None) -> None:
            trainer.stop_requested = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)

    try:
        yield watch
    except KeyboardInterrupt:
        raise Interrupted(f"Stopped at once; {_left_in(directory)}.") from None
    finally:
        signal.signal(signal.SIGINT, before)


def _left_in(directory: RunDirectory) -> str:
    if directory.checkpoint.exists():
        return f"--resume {directory.path} continues the run from its last checkpoint"
    if directory.experiment.exists():
        return f"no checkpoint was written yet, so --resume {directory.path} starts the run anew"
    return "nothing was written"
