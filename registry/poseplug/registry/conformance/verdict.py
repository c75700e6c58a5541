"""Promises and verdicts: what is checked, and what came out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from poseplug.core.errors import PoseplugError, in_words
from poseplug.core.kinds import kind_names
from poseplug.registry.discovery.manager import strangers_code

if TYPE_CHECKING:
    from poseplug.registry.conformance.subject import Subject

State = Literal["ok", "failed", "skipped"]


class Broken(Exception):
    """A promise is not kept; the message says what was found."""


class NotChecked(Exception):
    """A promise cannot be checked, or has no meaning for this component; the message says why."""


@attrs.frozen
class Promise:
    """Something that every component of certain kinds promises.

    Attributes:
        name: a word or two.
        statement: what is promised.
        kinds: the kinds of components that promise it.
        needs: promises without which this one cannot be checked.
        check: returns if the promise is kept; raises Broken or anything else if not, NotChecked if it cannot tell.
    """

    name: str
    statement: str
    kinds: tuple[str, ...]
    needs: tuple[str, ...]
    check: Callable[[Subject], None]


@attrs.frozen
class Verdict:
    """Whether a component keeps a promise.

    Attributes:
        promise: the promise's name.
        state: "ok", "failed" or "skipped".
        reason: why it is not "ok".
        error: what the component raised, if that is why.
    """

    promise: str
    state: State
    reason: str = ""
    error: BaseException | None = attrs.field(default=None, eq=False, repr=False)


def promise(
    name: str, statement: str, *, kinds: Iterable[str] | None = None, needs: tuple[str, ...] = ("works",)
) -> Callable[[Callable[[Subject], None]], Promise]:
    """Make a promise of the function that checks it; without ``kinds`` components of all kinds promise it."""
    return lambda check: Promise(name, statement, kind_names() if kinds is None else tuple(kinds), needs, check)


def require(condition: object, complaint: str) -> None:
    """Raise Broken unless the condition holds."""
    if not condition:
        raise Broken(complaint)


def judge(promise: Promise, subject: Subject) -> Verdict:
    """Check one promise."""
    with strangers_code():
        try:
            promise.check(subject)
        except NotChecked as reason:
            return Verdict(promise.name, "skipped", str(reason))
        except Broken as broken:
            return Verdict(promise.name, "failed", str(broken), broken)
        except BaseException as error:
            if _lacks_optional_package(error):
                return Verdict(promise.name, "skipped", str(error))
            return Verdict(promise.name, "failed", describe(error, subject.home), error)
    return Verdict(promise.name, "ok")


def describe(error: BaseException, home: Path | None) -> str:
    """Return an error in one line, with the last place in the component's own folder that led to it."""
    stack = traceback.extract_tb(error.__traceback__)
    return f"{first_line(in_words(error))}{place(stack, home)}"


def first_line(error: Warning | str) -> str:
    """Return the first line of a message."""
    return next(iter(str(error).strip().splitlines()), "no message")


def place(stack: traceback.StackSummary, home: Path | None) -> str:
    """Return " (file:line)" of the innermost frame of a component's folder, or of the innermost one of all."""
    frames = own_frames(stack, home) or list(stack)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def own_frames(stack: traceback.StackSummary, home: Path | None) -> list[traceback.FrameSummary]:
    """Return the frames that are in a component's folder, outermost first."""
    return [frame for frame in stack if home is not None and Path(frame.filename).is_relative_to(home)]


def _lacks_optional_package(error: BaseException) -> bool:
    """Whether a component tells its user, as it should, that an optional package is not installed."""
    return isinstance(error, PoseplugError) and isinstance(error.__cause__ or error.__context__, ImportError)
