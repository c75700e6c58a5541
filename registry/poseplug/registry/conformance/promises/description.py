"""Promises about how a component explains itself and its settings."""

from __future__ import annotations

import pickle
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from poseplug.core.interfaces import NoConfig
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.verdict import Broken, promise, require, some

_PLAIN = (int, float, bool, str, tuple[float, float], tuple[float, ...], tuple[int, ...], tuple[str, ...])


@promise("described", "it says what it is: docstrings, and registered with a summary and its paper", needs=())
def described(subject: Subject) -> None:
    """Look for docstrings; of a registered component also for its summary and paper.

    A component that comes from no paper says why: ``paper="none: a control to hold methods against"``. Hooks need none.
    """
    component, config = subject.component, subject.component.Config
    require((component.__doc__ or "").strip(), f"class {component.__name__} has no docstring")
    require((config.__doc__ or "").strip(), f"class {config.__name__} has no docstring")
    if subject.entry is None:
        return
    require(subject.entry.summary.strip(), "is registered with an empty summary")
    require("\n" not in subject.entry.summary, "its summary has several lines; expected one")
    paper = subject.entry.paper.strip()
    told = subject.kind == "hook" or paper.lower().removeprefix("none").strip(" :")
    require(told, 'names no paper; register it with paper="AUTHORS, TITLE" or paper="none: WHY"')


@promise("defaults", "its default settings are valid", needs=())
def defaults(subject: Subject) -> None:
    """Validate each default by itself, so that required settings need not be known."""
    config = subject.component.Config
    require(attrs.has(config), f"Config is {config!r}; expected an attrs class")
    for field in subject.fields():
        if field.default is attrs.NOTHING or field.validator is None:
            continue
        try:
            field.validator(None, field, field.default)
        except ValueError as error:
            raise Broken(f"setting '{field.name}' does not allow its own default: {error}") from error


@promise("settings", "every setting explains itself and is of a plain type, and none can change", needs=("defaults",))
def settings(subject: Subject) -> None:
    """Look at the fields of the configuration class."""
    config: Any = subject.component.Config
    frozen: Any = NoConfig
    require(config.__setattr__ is frozen.__setattr__, f"{config.__name__} can be changed; use @attrs.frozen")
    unexplained = [f.name for f in subject.fields() if not str(f.metadata.get("doc", "")).strip()]
    require(not unexplained, f"no explanation: {some(unexplained)}; make fields with poseplug.core.settings.setting")
    for field in subject.fields():
        require(_is_plain(field.type), f"setting '{field.name}' is a {field.type}; expected a plain type such as int")


def _is_plain(annotation: Any) -> bool:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return all(option is type(None) or option in _PLAIN for option in options)


@promise("picklable", "its class and settings reach a worker process", needs=("defaults",))
def picklable(subject: Subject) -> None:
    """Pickle both and read them back; a module's tensors travel as its state (see the promise "state")."""
    for what, thing in (("the class", subject.component), ("its configuration", subject.config)):
        try:
            copied = pickle.loads(pickle.dumps(thing))
        except Exception as error:  # pickle raises many things
            raise Broken(f"{what} cannot be pickled: {error}") from error
        require(copied == thing, f"pickled, {what} is another one")
