"""The progress of a run, on standard error."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from poseplug.cli.render import err
from poseplug.core.hooks import RunFacts, RunHook


class TrainingProgress(RunHook):
    """Shows a run's progress: a bar in a terminal, a line at every tenth of the way in a pipe."""

    def __init__(self) -> None:
        self.console = err()
        self.total = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def configure(self, facts: RunFacts) -> None:
        """Show the bar, as far as a resumed run has come already."""
        self.total = facts.steps
        if self.console.is_terminal:
            columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            text = TextColumn("{task.fields[losses]}")
            self._bar = Progress(TextColumn("training"), *columns, text, console=self.console, transient=True)
            self._task = self._bar.add_task("", total=self.total, completed=facts.start, losses="")
            self._bar.start()

    def on_step(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        """Show the losses."""
        shown = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        if self._bar is not None:
            self._bar.update(self._task, losses=escape(shown))
        elif step == self.total or step * 10 // self.total != (step - 1) * 10 // self.total:
            self.console.print(f"step {step}/{self.total}  {shown}", markup=False, soft_wrap=True)
