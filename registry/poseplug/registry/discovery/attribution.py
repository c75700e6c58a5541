"""Whose mistake an unexpected error is: the plugin whose code stands innermost in its traceback."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import Catalogue

P = ParamSpec("P")
R = TypeVar("R")


def blaming(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function that has an argument ``catalogue``: the traceback of an unexpected error ends with whose it is.

    A PoseplugError explains itself and is left alone.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def blamed(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except PoseplugError:
            raise
        except Exception as error:
            note = culprit(error, signature.bind(*args, **kwargs).arguments["catalogue"])
            if note:
                error.add_note(note)
            raise

    return blamed


def culprit(error: BaseException, catalogue: Catalogue) -> str:
    """Return a sentence that names the plugin, and where it can the component, that raised an error; or ""."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    modules = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    for i, module in enumerate(modules):
        package = module.partition(".")[0]
        owned = [e for e in catalogue.entries if e.is_component and e.target.partition(".")[0] == package]
        if owned and package != "poseplug":
            classes = [cls for frame in frames[i:] for cls in type(frame.f_locals.get("self")).__mro__]
            targets = [f"{cls.__module__}:{cls.__qualname__}" for cls in classes]
            found = [entry for target in targets for entry in owned if entry.target == target][:1]
            for outer in modules[i:]:  # not in a method of one: whichever the innermost module holds
                found = found or [entry for entry in owned if entry.target.partition(":")[0] == outer]
            names = ", ".join(f"{entry.kind} '{entry.name}'" for entry in found)
            where = f"{names} of {owned[0].distribution}" if names else owned[0].distribution
            return f"This error was raised in {where}; tell the authors of that plugin."
    return ""
