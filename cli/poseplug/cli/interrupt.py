"""Ctrl-C during a run: the first lets the step end and keeps the state, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poseplug.core.storage.run_directory import RunDirectory
    from poseplug.core.training.trainer import Trainer


@contextmanager
def stop_on_interrupt(directory: RunDirectory) -> Iterator[Callable[[Trainer], None]]:
    """Give a function that is to be told of the trainer; from then on SIGINT asks that trainer to stop.

    Args:
        directory: where the run leaves its state.

    Raises:
        Interrupted: the run was stopped at once; the message says what is left to resume.
    """
    from poseplug.core.errors import Interrupted

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
