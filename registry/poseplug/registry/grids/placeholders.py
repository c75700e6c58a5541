"""What ${NAME} stands for in a grid file, put in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.registry.config.experiment_file import Document

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def values_of(said: Document, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what placeholders stand for: of sets of values those of the chosen one, and what is given over all."""
    known: dict[str, Any] = {}
    for name, value in said.items():
        if not isinstance(value, dict):
            known[name] = value
            continue
        chosen = given.get(name) or next(iter(value), "")
        if chosen not in value:
            raise PoseplugError(f"'{name}' of this grid is one of {', '.join(value)}; got '{chosen}'.")
        known |= {name: chosen, **of_type(value[chosen], dict, f"'{name}.{chosen}' in [values]")}
    return {**known, **given}


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """Replace ${NAME} in every text; a text that is nothing else becomes the value itself.

    Raises:
        PoseplugError: a name that stands for nothing.
    """
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            raise PoseplugError(f"'${{{name}}}' stands for nothing; say it in [values], or with --define {name}=VALUE.")
        return str(known[name])

    alone = _PLACEHOLDER.fullmatch(value)
    return known[alone[1]] if alone and alone[1] in known else _PLACEHOLDER.sub(found, value)


def of_type(value: Any, wanted: type, where: str) -> Any:
    """Return a value of a grid; raise PoseplugError, which says where it stands, if it is not of this type."""
    if not isinstance(value, wanted):
        kind = {dict: "a table", list: "a list", bool: "true or false", str: "text"}[wanted]
        raise PoseplugError(f"{where} of a grid is {kind}; got {value!r}.")
    return value
