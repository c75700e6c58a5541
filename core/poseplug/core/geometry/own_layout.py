"""Skeletons of the user's own, in TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.layouts import LAYOUTS, layout
from poseplug.core.geometry.skeleton import Skeleton

_KEYS = ("name", "joints", "parents", "pairs", "made")


@attrs.frozen
class OwnLayout:
    """A layout, and how joints of others are made of its own.

    Attributes:
        skeleton: the layout.
        made: for joints of a layout wanted, how they are made of this one's, as ``map_layout`` takes it.
    """

    skeleton: Skeleton
    made: Mapping[str, Any] = attrs.field(factory=dict)


def find_layout(said: str) -> OwnLayout:
    """Return a layout by its name, or that of a TOML file.

    A file has ``joints``, a list of names; and may have ``parents``, one for each joint, "" for the root (otherwise all
    hang from the first); ``pairs`` of left and right joints; and a table ``made``, with lines such as ``Hip =
    ["hip_l", "hip_r"]``, ``Head = "skull"`` or ``Head = { ear = 1.5, neck = -0.5 }`` for joints of other layouts.

    Raises:
        PoseplugError: no layout has that name and there is no such file; the file says something else.
    """
    path = Path(said).expanduser()
    if said in LAYOUTS or not (path.suffix or path.exists()):
        return OwnLayout(layout(said))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PoseplugError(
            f"Cannot read the skeleton '{said}': {error.strerror or error}. Give the name of one "
            f"({', '.join(LAYOUTS)}) or a TOML file."
        ) from None
    except ValueError as error:
        raise PoseplugError(f"The skeleton '{said}' is not valid TOML: {error}; correct it.") from None
    return _from_table(table, path)


def _from_table(table: Mapping[str, Any], path: Path) -> OwnLayout:
    for key in table:
        if key not in _KEYS:
            raise PoseplugError(f"The skeleton '{path}' has '{key}', which nobody knows.{did_you_mean(key, _KEYS)}")
    joints = _names(table.get("joints"), "joints", path)
    parents = _names(table.get("parents", ["", *joints[:1] * (len(joints) - 1)]), "parents", path)
    pairs = table.get("pairs", [])
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise PoseplugError(f"The skeleton '{path}': pairs must be a list of [left, right].")
    made = table.get("made", {})
    if not isinstance(made, dict) or not all(_is_way(way) for way in made.values()):
        raise PoseplugError(
            f'The skeleton \'{path}\': lines in [made] are Joint = "name", Joint = ["name", "name"] or '
            "Joint = { name = share, name = share }."
        )
    both = tuple((str(left), str(right)) for left, right in pairs)
    return OwnLayout(Skeleton(str(table.get("name", path.stem)), joints, parents, pairs=both), made)


def _names(value: Any, key: str, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise PoseplugError(f'The skeleton \'{path}\': {key} must be a list of names, such as ["hip", "knee"].')
    return tuple(value)


def _is_way(way: Any) -> bool:
    if isinstance(way, dict):
        return bool(way) and all(isinstance(share, int | float) for share in way.values())
    return isinstance(way, str) or (isinstance(way, list) and bool(way) and all(isinstance(name, str) for name in way))
