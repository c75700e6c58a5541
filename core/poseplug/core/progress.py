"""What takes long says how far it is; whoever shows it, listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(what: str, done: int, total: int) -> None:
    """Say that so many of so many are done; what they are is a plural, such as "poses evolved".

    Components that take long to be made call this now and then. Nobody has to listen.
    """
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a function hear all that is told while this lasts."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
