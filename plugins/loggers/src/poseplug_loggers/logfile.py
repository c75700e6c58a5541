"""Losses and metrics as CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import Evaluation
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting

_COLUMNS = ("step", "name", "value")


@attrs.frozen(kw_only=True)
class LogFileConfig:
    """Settings of the log file."""

    format: str = setting("jsonl", "one JSON object a line, or tidy CSV: step, name, value", choices=("jsonl", "csv"))
    path: str = setting("", "a new file; empty: log.jsonl or log.csv in the run directory", path=True)


class LogFile(RunHook):
    """Writes a line, or one for each value, whenever the losses are looked at and after each evaluation.

    Metrics are named LABEL/METRIC and carry the last step. A resumed run goes on in the same file: lines that an
    interrupted run wrote after its last checkpoint are dropped, so no step stands there twice.

    Raises:
        PoseplugError: the run keeps no directory and no path was given, the file cannot be written, or it holds
            something else than the log of the run that is resumed.
    """

    Config = LogFileConfig

    def __init__(self, config: LogFileConfig, context: BuildContext) -> None:
        self.config = config
        self.path = Path(config.path)
        self.last_step = 0

    def configure(self, facts: RunFacts) -> None:
        if not self.config.path:
            if facts.directory is None:
                raise PoseplugError("Hook 'logfile': this run has no directory; give logfile:path=FILE.")
            self.path = facts.directory / f"log.{self.config.format}"
        self.last_step = facts.steps
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as file:
                if file.tell() and not (facts.resumed and self._cut(file, facts.start)):
                    raise PoseplugError(
                        f"Hook 'logfile': '{self.path}' exists and is not the log of this run; give another path, or "
                        "move that file away."
                    )
        except OSError as error:
            raise PoseplugError(f"Hook 'logfile' cannot write '{self.path}': {error}.") from error

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        self._write(step, means)

    def on_evaluation(self, label: str, evaluation: Evaluation) -> None:
        self._write(self.last_step, {f"{label}/{name}": value for name, value in evaluation.metrics.items()})

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        with self._opened() as file:
            if self.config.format == "jsonl":
                file.write(json.dumps({"step": step, **values}) + "\n")
                return
            rows = csv.writer(file, lineterminator="\n")
            rows.writerows([] if file.tell() else [_COLUMNS])
            rows.writerows((step, name, value) for name, value in values.items())

    def _opened(self) -> TextIO:
        return self.path.open("a+", encoding="utf-8", newline="")

    def _cut(self, file: TextIO, step: int) -> bool:
        """Drop what a log holds after a step, and a line that was not finished; a file that is no log is left alone.

        Returns:
            Whether it is one.
        """
        file.seek(0)
        try:
            lines = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
            steps = [self._step_of(number, line) for number, line in enumerate(lines)]
        except (ValueError, KeyError, TypeError, csv.Error):
            return False
        if lines:
            file.truncate(sum(len(line.encode()) for line, at in zip(lines, steps, strict=True) if at <= step))
        return bool(lines)

    def _step_of(self, number: int, line: str) -> int:
        """Return the step of a line; an error tells that no log file has such a line there."""
        if self.config.format == "jsonl":
            return int(json.loads(line)["step"])
        step, name, value = next(csv.reader([line]))
        if number > 0:
            float(value)
            return int(step)
        if (step, name, value) != _COLUMNS:
            raise ValueError("not the heading")
        return 0
