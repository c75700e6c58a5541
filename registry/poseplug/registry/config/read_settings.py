"""From loose settings (TOML values, or text from the command line) to configuration classes, and back."""

from __future__ import annotations

import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs
import cattrs

from poseplug.core.errors import PoseplugError, did_you_mean

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class _WrongType(Exception):
    """A value is not of the type that a setting has."""


def structure(config: type, settings: Mapping[str, Any], where: str) -> Any:
    """Return an instance of an attrs configuration class.

    Args:
        config: the class; its fields were made by ``poseplug.core.settings.setting``.
        settings: values by field name; text is read as the field's type asks.
        where: what the settings belong to, for messages: "lifter 'semgcn'".

    Raises:
        PoseplugError: all unknown names, wrong types and bad values at once.
    """
    fields = {field.name: field for field in attrs.fields(attrs.resolve_types(config))}
    problems = [
        f"{where} has no setting '{name}'.{did_you_mean(name, fields)}" for name in settings if name not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in settings:
            if field.default is attrs.NOTHING:
                problems.append(f"{where} needs the setting '{name}' ({field.metadata.get('doc', '')}).")
            continue
        try:
            values[name] = _value(field, settings[name])
        except (_WrongType, ValueError) as error:
            problems.append(f"{where}, setting '{name}': {error}")
    if problems:
        raise PoseplugError("\n".join(problems))
    try:
        return config(**values)
    except ValueError as error:  # a check across several fields
        raise PoseplugError(f"{where}: {error}") from None


def unstructure(instance: Any) -> dict[str, Any]:
    """Return a configuration's values ready for TOML, which has no null: a None that is not the default is "none"."""
    values: dict[str, Any] = {}
    for field in attrs.fields(type(instance)):
        value = getattr(instance, field.name)
        if value is None:
            if field.default is not None:
                values[field.name] = "none"
            continue
        values[field.name] = list(value) if isinstance(value, tuple) else value
    return values


def type_name(annotation: Any) -> str:
    """Return what a setting's type is called in listings and messages."""
    options = _options(annotation)
    if len(options) > 1:
        return " or ".join("none" if option is type(None) else type_name(option) for option in options)
    if get_origin(annotation) is tuple:
        arguments = get_args(annotation)
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        plural = {int: "whole numbers", float: "numbers", str: "texts", bool: "of true or false"}
        return f"[{count}{plural.get(arguments[0], 'values')}]"
    return _NAMES.get(annotation, str(annotation))


def _value(field: attrs.Attribute[Any], given: Any) -> Any:
    raw = _read(given, _annotation(field)) if isinstance(given, str) else given
    try:
        value = _converter.structure(raw, _annotation(field))
    except Exception:  # cattrs wraps what the hooks raise in its own groups
        raise _WrongType(f"expected {type_name(_annotation(field))}, got {given!r}") from None
    if field.metadata.get("path") and isinstance(value, str) and value:
        value = str(Path(value).expanduser().absolute())
    if field.validator is not None:
        field.validator(None, field, value)
    return value


def _annotation(field: attrs.Attribute[Any]) -> Any:
    return field.type


def _read(text: str, annotation: Any) -> Any:
    """Read text from the command line as the type asks."""
    options = _options(annotation)
    if type(None) in options and text.lower() == "none":
        return None
    if str in options:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        inner = text.strip().removeprefix("[").removesuffix("]")
        return [part.strip() for part in inner.split(",")] if text.strip().startswith("[") else text


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _strict(wanted: type) -> Any:
    def hook(value: Any, _: Any) -> Any:
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is not wanted:
            raise _WrongType
        return value

    return hook


def _optional(value: Any, annotation: Any) -> Any:
    options = _options(annotation)
    if value is None and type(None) in options:
        return None
    for option in options:
        if option is not type(None):
            try:
                return _converter.structure(value, option)
            except Exception:
                continue
    raise _WrongType


def _is_tuple(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _tuple(value: Any, annotation: Any) -> tuple[Any, ...]:
    arguments = get_args(annotation)
    if not isinstance(value, list | tuple):
        raise _WrongType
    if arguments[-1] is Ellipsis:
        return tuple(_converter.structure(item, arguments[0]) for item in value)
    if len(value) != len(arguments):
        raise _WrongType
    return tuple(_converter.structure(item, kind) for item, kind in zip(value, arguments, strict=True))


# cattrs' own conversions are too kind for experiments: they turn seed=2.7 into 2 without a word.
_converter = cattrs.Converter()
for _type in _NAMES:
    _converter.register_structure_hook(_type, _strict(_type))
_converter.register_structure_hook_func(lambda kind: len(_options(kind)) > 1, _optional)
_converter.register_structure_hook_func(_is_tuple, _tuple)
