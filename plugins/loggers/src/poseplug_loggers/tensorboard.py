"""Losses and metrics for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from textwrap import indent
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import Evaluation
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class TensorBoardConfig:
    """Settings of the TensorBoard logger."""

    path: str = setting("", "a new folder for the event files; empty: tensorboard in the run directory", path=True)


class TensorBoard(RunHook):
    """Writes event files: losses whenever they are looked at, metrics (LABEL/METRIC) and the experiment at the end.

    Raises:
        PoseplugError: tensorboard is not installed, the run keeps no directory and no path was given, or a run that is
            not resumed was given a folder with something in it.
    """

    Config = TensorBoardConfig

    def __init__(self, config: TensorBoardConfig, context: BuildContext) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise PoseplugError(
                "Hook 'tensorboard' needs the package tensorboard; pip install 'poseplug-loggers[tensorboard]'."
            ) from error
        self.config = config
        self.writer_class = SummaryWriter
        self.folder = Path(config.path)
        self.first_step: int | None = None
        self.last_step = 0

    def configure(self, facts: RunFacts) -> None:
        if not self.config.path:
            if facts.directory is None:
                raise PoseplugError("Hook 'tensorboard': this run has no directory; give tensorboard:path=FOLDER.")
            self.folder = facts.directory / "tensorboard"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()) and not facts.resumed:
                raise PoseplugError(f"Hook 'tensorboard': '{self.folder}' is not empty; give another path.")
        except OSError as error:
            raise PoseplugError(f"Hook 'tensorboard' cannot write to '{self.folder}': {error}.") from error
        self.first_step = facts.start + 1 if facts.resumed else None
        self.last_step = facts.steps

    @cached_property
    def writer(self) -> Any:
        """What writes the events, from the first on: a run that is refused leaves none."""
        # Events that an interrupted run wrote after its last checkpoint are dropped from the display.
        return self.writer_class(str(self.folder), purge_step=self.first_step)

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        for name, value in means.items():
            self.writer.add_scalar(name, value, step)

    def on_evaluation(self, label: str, evaluation: Evaluation) -> None:
        for name, value in evaluation.metrics.items():
            self.writer.add_scalar(f"{label}/{name}", value, self.last_step)

    def on_checkpoint(self, step: int, path: Path) -> None:
        self.writer.flush()

    def on_report(self, result: Mapping[str, Any], directory: Path) -> None:
        text = (directory / "experiment.toml").read_text(encoding="utf-8")
        self.writer.add_text("experiment", indent(text, "    "))
        self.writer.close()
