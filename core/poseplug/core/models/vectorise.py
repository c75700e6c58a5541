"""Whether code runs for many replicas at once, inside ``torch.vmap``, which torch itself does not tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_active: ContextVar[bool] = ContextVar("vectorised", default=False)


def vectorising() -> bool:
    """Say whether this code runs inside ``vectorised``."""
    return _active.get()


@contextmanager
def vectorised() -> Iterator[None]:
    """Mark what runs inside as running under ``torch.vmap``."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)
