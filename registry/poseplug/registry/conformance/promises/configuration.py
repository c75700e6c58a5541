"""Promises that take a component's settings to the test: bad values, and settings that nothing reads."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any, get_args

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import check_finite
from poseplug.registry.conformance.verdict import Broken, promise, require, some

_NAN = float("nan")


@promise("refusals", "bad values of its settings are refused, before they make it fail")
def refusals(subject: Subject) -> None:
    """Try NaN, values that are not a choice, and numbers from 0 down: what is not refused must work."""
    for field in subject.fields():
        types = get_args(field.type) if type(None) in get_args(field.type) else (field.type,)
        if field.metadata.get("choices"):
            taken = _changed(subject, field, "no such choice") is not None
            require(not taken, f"setting '{field.name}' takes what is not a choice")
        for bad in (_NAN,) if float in types else ((_NAN, _NAN),) if tuple[float, float] in types else ():
            require(_changed(subject, field, bad) is None, f"setting '{field.name}' takes {bad}")
        for number in [kind(value) for kind in (int, float) if kind in types for value in (0, -1)]:
            config = _changed(subject, field, number)
            if config is not None:
                _must_work(subject, config, f"setting '{field.name}' takes {number}, and fails with it")


def _changed(subject: Subject, field: attrs.Attribute[Any], value: Any) -> Any:
    """Return the configuration with another value of a field; None if it is refused."""
    try:
        return attrs.evolve(subject.config, **{field.name: value})
    except ValueError:
        return None


def _must_work(subject: Subject, config: Any, complaint: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_finite(subject.use(subject.ready(config=config)), "")
    except PoseplugError:
        return
    except BaseException as error:  # of a Ctrl-C, the judge takes note
        reason = str(error) if isinstance(error, Broken) else subject.describe(error)
        raise Broken(f"{complaint}: {reason}") from error


@promise("settings-read", "every setting is read when it is constructed or used")
def settings_read(subject: Subject) -> None:
    """Use it with a configuration that notes which of its fields are read.

    A setting that is read only when another has a certain value is found by trying the other's choices.
    """
    names = {field.name for field in subject.fields()}
    unread = names - _fields_read(subject, subject.config)
    for field in subject.fields():
        choices = (True, False) if field.type is bool else field.metadata.get("choices", ())
        for config in (_changed(subject, field, choice) for choice in choices):
            if unread and config is not None and config != subject.config:
                unread -= _fields_read(subject, config)
    require(not unread, f"nothing reads {some(sorted(unread))}")


def _fields_read(subject: Subject, config: Any) -> set[str]:
    """Return the fields that are read while the component is constructed and used with a configuration."""
    cls: Any = type(config)
    values = {field.name: getattr(config, field.name) for field in attrs.fields(cls)}
    read: set[str] = set()

    def noting(self: Any, name: str) -> Any:
        if name in values:
            read.add(name)
        return cls.__getattribute__(self, name)

    members = {"__slots__": (), "__getattribute__": noting, "__module__": cls.__module__}
    watched = type(cls.__name__, (cls,), members)(**values)
    read.clear()  # Validators have read all of them.
    with suppress(PoseplugError):  # A choice may need more than the kit offers; what was read until then was read.
        subject.use_in_both_modes(subject.ready(config=watched, endless=True))
    return read
