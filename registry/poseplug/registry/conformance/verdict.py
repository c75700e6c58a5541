"""Promises and verdicts: what is checked, and what came out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
from torch import nn

from poseplug.core.errors import PoseplugError, in_words
from poseplug.core.kinds import KINDS, kind_names
from poseplug.registry.discovery.manager import strangers_code

if TYPE_CHECKING:
    from poseplug.registry.conformance.subject import Subject

# The kinds whose components return tensors (hooks do not), and those whose components are modules.
TENSORS = tuple(name for name in kind_names() if name != "hook")
MODULES = tuple(kind.name for kind in KINDS if issubclass(kind.load_interface(), nn.Module))


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
        kinds: the kinds of components that promise it; of a module in ``kinds`` its own, elsewhere all by default.
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
        state: whether it is kept.
        reason: why it is not "ok".
        error: what the component raised, if that is why.
    """

    promise: str
    state: Literal["ok", "failed", "skipped"]
    reason: str = ""
    error: BaseException | None = attrs.field(default=None, eq=False, repr=False)


def promise(
    name: str, statement: str, *, kinds: Sequence[str] = (), needs: tuple[str, ...] = ("works",)
) -> Callable[[Callable[[Subject], None]], Promise]:
    """Make a promise of the function that checks it."""
    return lambda check: Promise(name, statement, tuple(kinds), needs, check)


def require(condition: object, complaint: str) -> None:
    """Raise Broken unless the condition holds."""
    if not condition:
        raise Broken(complaint)


def some(words: Sequence[str]) -> str:
    """Return the first three words of a list, and how many more there are."""
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ", ".join(words[:3]) + more


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
            # A component may tell its user, as it should, that an optional package is not installed.
            if isinstance(error, PoseplugError) and isinstance(error.__cause__ or error.__context__, ImportError):
                return Verdict(promise.name, "skipped", str(error))
            return Verdict(promise.name, "failed", describe(error, subject.home), error)
    return Verdict(promise.name, "ok")


def describe(error: BaseException, home: Path | None) -> str:
    """Return an error in one line, with the last place in the component's own folder that led to it."""
    return located(in_words(error), traceback.extract_tb(error.__traceback__), home)


def located(message: Warning | str, stack: traceback.StackSummary, home: Path | None) -> str:
    """Return a message's first line with "(file:line)" of the innermost frame of a folder, or of the innermost one."""
    line = next(iter(str(message).strip().splitlines()), "no message")
    frames = own_frames(stack, home) or stack
    return f"{line} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else line


def own_frames(stack: traceback.StackSummary, home: Path | None) -> list[traceback.FrameSummary]:
    """Return the frames that are in a component's folder, outermost first."""
    return [frame for frame in stack if home is not None and Path(frame.filename).is_relative_to(home)]
