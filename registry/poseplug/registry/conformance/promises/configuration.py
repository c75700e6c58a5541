"""Promises that take a component's settings to the test: bad values, and settings that nothing reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, get_args

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.registry.conformance.poses import ordinary, some
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import check_finite
from poseplug.registry.conformance.uses import USES, set_training
from poseplug.registry.conformance.verdict import Broken, describe, promise, require

_NAN = float("nan")


@promise("refusals", "bad values of its settings are refused, before they make it fail")
def refusals(subject: Subject) -> None:
    """Try NaN, values that are not a choice, and numbers from 0 down: what is not refused must work."""
    for field in subject.fields():
        types = get_args(field.type) if type(None) in get_args(field.type) else (field.type,)
        if field.metadata.get("choices"):
            require(_refused(subject, field, "no such choice"), f"setting '{field.name}' takes what is not a choice")
        for bad in (_NAN,) if float in types else ((_NAN, _NAN),) if tuple[float, float] in types else ():
            require(_refused(subject, field, bad), f"setting '{field.name}' takes {bad}")
        for number in [kind(value) for kind in (int, float) if kind in types for value in (0, -1)]:
            if not _refused(subject, field, number):
                _must_work(subject, field, number)


def _refused(subject: Subject, field: attrs.Attribute[Any], value: Any) -> bool:
    try:
        subject.changed(**{field.name: value})
    except ValueError:
        return True
    return False


def _must_work(subject: Subject, field: attrs.Attribute[Any], value: Any) -> None:
    config = subject.changed(**{field.name: value})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = subject.ready(config=config)
            check_finite(USES[subject.kind](part, ordinary(8, subject.device)), "")
    except PoseplugError:
        return
    except BaseException as error:  # of a Ctrl-C, the judge takes note
        reason = str(error) if isinstance(error, Broken) else describe(error, subject.home)
        raise Broken(f"setting '{field.name}' takes {value}, and fails with it: {reason}") from error


@promise("settings-read", "every setting is read when it is constructed or used")
def settings_read(subject: Subject) -> None:
    """Use it with a configuration that notes which of its fields are read.

    A setting that is read only when another has a certain value is found by trying the other's choices.
    """
    names = {field.name for field in subject.fields()}
    unread = names - _fields_read(subject, subject.config)
    for config in _variants(subject):
        if not unread:
            return
        unread -= _fields_read(subject, config)
    require(not unread, f"nothing reads {some(sorted(unread))}")


def _variants(subject: Subject) -> Iterator[Any]:
    """Give configurations that differ from the default in one choice or one switch."""
    for field in subject.fields():
        value = getattr(subject.config, field.name)
        others = [c for c in field.metadata.get("choices", ()) if c != value]
        others += [not value] if field.type is bool else []
        for other in others:
            if not _refused(subject, field, other):
                yield subject.changed(**{field.name: other})


def _fields_read(subject: Subject, config: Any) -> set[str]:
    """Return the fields that are read while the component is constructed and used with a configuration."""
    watched, read = _watched(config)
    try:
        part = subject.ready(config=watched, endless=True)
        for training in (True, False):
            USES[subject.kind](set_training(part, training), ordinary(8, subject.device))
    except PoseplugError:
        pass  # A choice may need more than the kit offers; what was read until then was read.
    return read


def _watched(config: Any) -> tuple[Any, set[str]]:
    """Return an equal configuration that notes the names of the fields that are read, and those names."""
    cls = type(config)
    fields = [field.name for field in attrs.fields(cls)]
    read: set[str] = set()

    plain: Any = cls.__getattribute__

    def noting(self: Any, name: str) -> Any:
        if name in fields:
            read.add(name)
        return plain(self, name)

    members = {"__slots__": (), "__getattribute__": noting, "__module__": cls.__module__}
    watching: Any = type(cls.__name__, (cls,), members)
    copy = watching(**{name: getattr(config, name) for name in fields})
    read.clear()  # Validators have read all of them.
    return copy, read


PROMISES = (refusals, settings_read)
