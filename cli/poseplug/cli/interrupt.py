"""Ctrl-C during training: the first lets the step end and keeps the state, the second stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poseplug.core.training.trainer import Trainer


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[Trainer], None]]:
    """Give a function that is to be told of the trainer; from then on SIGINT asks that trainer to stop."""
    before = signal.getsignal(signal.SIGINT)

    def watch(trainer: Trainer) -> None:
        def ask(_: int, __: FrameType | None) -> None:
            trainer.stop_requested = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, ask)

    try:
        yield watch
    finally:
        signal.signal(signal.SIGINT, before)
