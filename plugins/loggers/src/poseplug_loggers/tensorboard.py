"""Losses and metrics for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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

    path: str = setting("", "folder of the event files; empty: tensorboard in the run directory", path=True)


class TensorBoard(RunHook):
    """Writes event files: losses whenever they are looked at, metrics (LABEL/METRIC) and the experiment at the end.

    Raises:
        PoseplugError: tensorboard is not installed, or the run keeps no directory and no path was given.
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
        self.writer: Any = None
        self.last_step = 0

    def configure(self, facts: RunFacts) -> None:
        if not self.config.path and facts.directory is None:
            raise PoseplugError("Hook 'tensorboard': this run has no directory; give tensorboard:path=FOLDER.")
        folder = self.config.path or str(facts.directory / "tensorboard" if facts.directory else "")
        # Events that an interrupted run wrote after its last checkpoint are dropped from the display.
        self.writer = self.writer_class(folder, purge_step=facts.start + 1 if facts.start else None)
        self.last_step = facts.steps

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        for name, value in means.items():
            self.writer.add_scalar(name, value, step)

    def on_evaluation(self, label: str, evaluation: Evaluation) -> None:
        for name, value in evaluation.metrics.items():
            self.writer.add_scalar(f"{label}/{name}", value, self.last_step)

    def on_checkpoint(self, step: int, path: Path) -> None:
        self.writer.flush()

    def on_report(self, result: Mapping[str, Any], directory: Path) -> None:
        self.writer.add_text("experiment", "    " + (directory / "experiment.toml").read_text().replace("\n", "\n    "))
        self.writer.close()
