"""Values as files have them: checked, and shown in messages."""

from __future__ import annotations

from typing import Any

from poseplug.core.errors import PoseplugError


def whole(value: Any, where: str, what: str) -> int:
    """Return a whole number as a file has it (3 or 3.0); ``where`` and ``what`` are for the message.

    Raises:
        PoseplugError: it is none, or longer than 64 bits.
    """
    if type(value) in (int, float) and -(2**62) < value < 2**62 and value == int(value):
        return int(value)
    raise PoseplugError(f"{where}: {what} is {shown(value)}; expected a whole number.")


def shown(value: Any) -> str:
    """Return a value of a file for a message, cut short."""
    if value is None:
        return "nothing"
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'table'} of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a number of more than 20 digits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
