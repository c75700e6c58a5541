"""From loose settings (TOML values, or text from the command line) to configuration classes, and back."""

from __future__ import annotations

import tomllib
import types
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override
from cattrs.strategies import configure_union_passthrough

from poseplug.core.errors import PoseplugError, did_you_mean

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def structure(config: type, settings: Mapping[str, Any], where: str) -> Any:
    """Return an instance of an attrs configuration class.

    Args:
        config: the class; its fields were made by ``poseplug.core.settings.setting``.
        settings: values by field name; text is read as the field's type asks.
        where: what the settings belong to, for messages: "lifter 'semgcn'".

    Raises:
        PoseplugError: all unknown names, wrong types and bad values at once.
    """
    try:
        return _reader(config)(settings, config)
    except cattrs.ClassValidationError as error:
        raise PoseplugError("\n".join(_problems(error, config, settings, where))) from None


def unstructure(instance: Any) -> dict[str, Any]:
    """Return a configuration's values ready for TOML, which has no null: a None that is not the default is "none"."""
    return attrs.asdict(
        instance,
        filter=lambda field, value: value is not None or field.default is not None,
        value_serializer=lambda _, field, value: "none" if value is None else value,
    )


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


def typed_example(annotation: Any) -> str:
    """Return how a list is typed, "[0,0.5]"; "" for a setting that is none."""
    lists = [option for option in _options(annotation) if get_origin(option) is tuple]
    if not lists:
        return ""
    arguments = get_args(lists[0])
    count = 2 if arguments[-1] is Ellipsis else len(arguments)
    items = {int: ("1", "2"), float: ("0", "0.5"), bool: ("true", "false")}.get(arguments[0], ("one", "two"))
    return f"[{','.join(islice(cycle(items), count))}]"


@lru_cache
def _reader(config: type) -> Callable[[Mapping[str, Any], type], Any]:
    """Return what reads a configuration class, and tells all that is wrong in one ClassValidationError."""
    fields = attrs.fields(attrs.resolve_types(config))
    read: dict[str, Any] = {field.name: override(struct_hook=partial(_value, field)) for field in fields}
    return make_dict_structure_fn(config, cattrs.Converter(), _cattrs_forbid_extra_keys=True, **read)


def _problems(
    group: cattrs.ClassValidationError, config: type, settings: Mapping[str, Any], where: str
) -> Iterator[str]:
    fields = attrs.fields_dict(config)
    of_one, of_all = group.group_exceptions()
    for error, at in of_one:
        if at.name not in settings:
            yield f"{where} needs the setting '{at.name}' ({fields[at.name].metadata.get('doc', '')})."
        elif isinstance(error, ValueError):
            yield f"{where}, setting '{at.name}': {error}"
        else:  # a mistake in a check
            raise error
    for error in of_all:
        if isinstance(error, cattrs.ForbiddenExtraKeysError):
            for name in sorted(error.extra_fields):
                yield f"{where} has no setting '{name}'.{did_you_mean(name, fields)}"
        elif isinstance(error, ValueError):  # a check across several fields
            yield f"{where}: {error}"
        else:
            raise error


def _value(field: attrs.Attribute[Any], given: Any, _: Any) -> Any:
    kind: Any = field.type
    raw = _read(given, kind) if isinstance(given, str) else given
    try:
        if isinstance(raw, str | Mapping) and str not in _options(kind):
            raise TypeError  # cattrs would take one for a list, letter by letter and key by key
        value = _converter.structure(raw, kind)
    except Exception:  # of many classes, with texts for programmers
        such_as = f", such as {example}" if (example := typed_example(kind)) else ""
        raise ValueError(f"expected {type_name(kind)}{such_as}, got {given!r}") from None
    if field.metadata.get("path") and isinstance(value, str) and value:
        value = str(Path(value).expanduser().absolute())
    if field.validator is not None:
        field.validator(None, field, value)
    return value


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
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _strict(value: Any, wanted: Any) -> Any:
    """Return the value if it is of the type; cattrs' own conversions are too kind: they turn seed=2.7 into 2."""
    if type(value) is wanted:
        return value
    if wanted is float and type(value) is int:
        return float(value)
    raise TypeError


_converter = cattrs.Converter()
configure_union_passthrough(int | float | bool | str | None, _converter)
for _type in _NAMES:
    _converter.register_structure_hook(_type, _strict)
