"""The errors a user can cause, and the one that training can.

Every message names the thing, what was expected and what to do next. The command line prints it and
exits with the error's ``exit_code``; no traceback is shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PoseplugError(Exception):
    """What the user asked cannot be: a bad name, value, file or combination."""

    exit_code = 2


class TrainingFailed(PoseplugError):
    """The run started well and then failed, for example because a loss became NaN."""

    exit_code = 1


class Interrupted(PoseplugError):
    """The user pressed Ctrl-C; the run can be resumed."""

    exit_code = 130


def in_words(error: BaseException) -> str:
    """Return "Type: message" of an error, also of a stranger's that fails to say its message."""
    try:
        message = str(error).strip()
    except Exception:
        message = ""
    return f"{type(error).__name__}: {message or 'no message'}"


def one_line(said: object) -> str:
    """Return what a file or an error says, fit for a message: in one line, of characters that can be printed."""
    text = " ".join(str(said).split()) or type(said).__name__
    return "".join(character if character.isprintable() else "?" for character in text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, else the list of known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else " None is installed."
