"""Promises and verdicts: what is checked, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import attrs
from torch import nn

from poseplug.core.kinds import KINDS, kind_names

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
