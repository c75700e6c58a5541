"""Losses and metrics as CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    path: str = setting("", "the file; empty: log.jsonl or log.csv in the run directory", path=True)


class LogFile(RunHook):
    """Writes a line, or one for each value, whenever the losses are looked at and after each evaluation.

    Metrics are named LABEL/METRIC and carry the last step. A resumed run goes on in the same file: lines that an
    interrupted run wrote after its last checkpoint are dropped, so no step stands there twice.

    Raises:
        PoseplugError: the run keeps no directory and no path was given, or the file cannot be written.
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
        kept = self._lines_up_to(facts.start) if facts.start and self.path.exists() else []
        if not kept and self.config.format == "csv":
            kept = [self._csv_line(_COLUMNS)]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("".join(kept), encoding="utf-8")
        except OSError as error:
            raise PoseplugError(f"Hook 'logfile' cannot write '{self.path}': {error}.") from error

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        self._write(step, means)

    def on_evaluation(self, label: str, evaluation: Evaluation) -> None:
        self._write(self.last_step, {f"{label}/{name}": value for name, value in evaluation.metrics.items()})

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        if self.config.format == "csv":
            lines = [self._csv_line((step, name, value)) for name, value in values.items()]
        else:
            lines = [json.dumps({"step": step, **values}) + "\n"]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _lines_up_to(self, step: int) -> list[str]:
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        if self.config.format == "csv":
            return lines[:1] + [line for line in lines[1:] if int(line.partition(",")[0]) <= step]
        return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]

    def _csv_line(self, row: tuple[Any, ...]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        return text.getvalue()
