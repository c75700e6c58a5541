"""What was annotated in an image: its people, as the page sends them and the disk keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, one_line

# As COCO numbers it: the place of a joint is not known; it is hidden, and its place is a guess; it is seen.
MISSING, HIDDEN, SEEN = 0, 1, 2
# How much each counts in a fit, and in the files that are written.
CONFIDENCE = (0.0, 0.5, 1.0)
_MOST_PEOPLE, _FURTHEST = 200, 1e6

Rows = tuple[tuple[float, ...], ...]


@attrs.frozen
class Person:
    """Somebody in an image.

    Attributes:
        joints: [J, 2] pixels; of missing ones, anything.
        seen: [J] MISSING, HIDDEN or SEEN.
        pose: [J, 3] camera frame, metres; None where there is none yet.
        by_hand: whether the pose was corrected by hand after it was fitted.
    """

    joints: Rows
    seen: tuple[int, ...]
    pose: Rows | None = None
    by_hand: bool = False


@attrs.frozen(kw_only=True)
class Annotated:
    """What was annotated in an image.

    Attributes:
        name: of the image.
        size: width and height, pixels.
        focal: focal length of its camera, pixels.
        people: in the order in which they were added.
        done: whether the annotator has finished with it.
        version: how often it was changed.
    """

    name: str
    size: tuple[int, int]
    focal: float
    people: tuple[Person, ...] = ()
    done: bool = False
    version: int = 0

    def told(self) -> dict[str, Any]:
        """Return it ready for JSON; ``read_annotated`` undoes it."""
        return attrs.asdict(self)


def read_annotated(told: Any, joints: int, where: str) -> Annotated:
    """Return what was annotated in an image from what JSON says of it.

    Args:
        told: the value.
        joints: how many a person has.
        where: names the file, for messages.

    Raises:
        PoseplugError: it is something else.
    """
    try:
        width, height = told["size"]
        return Annotated(
            name=_text(told["name"]),
            size=(_whole(width), _whole(height)),
            version=_whole(told["version"]),
            **changes(told, joints),
        )
    except PoseplugError:
        raise
    except Exception as error:
        raise PoseplugError(f"{where} is no annotation, or damaged: {_reason(error)}.") from None


def changes(told: Any, joints: int) -> dict[str, Any]:
    """Return what a page may change of an image, ``people``, ``focal`` and ``done``; raise ValueError if it is none."""
    people = told["people"]
    if not isinstance(people, list) or len(people) > _MOST_PEOPLE:
        raise ValueError(f"expected a list of at most {_MOST_PEOPLE} people")
    read = tuple(read_person(one, joints) for one in people)
    return {"people": read, "focal": read_focal(told["focal"]), "done": told["done"] is True}


def read_focal(told: Any) -> float:
    """Return a focal length in pixels; raise ValueError or TypeError if it is none."""
    focal = _number(told)
    if not focal > 0:
        raise ValueError(f"a focal length must be above 0, got {focal:g}")
    return focal


def read_person(told: Mapping[str, Any], joints: int) -> Person:
    """Return a person from what JSON says; raise ValueError, TypeError or KeyError if it is something else."""
    seen = tuple(_whole(value) for value in told["seen"])
    if len(seen) != joints or not {*seen} <= {MISSING, HIDDEN, SEEN}:
        raise ValueError(f"'seen' must be {joints} numbers 0, 1 or 2")
    pose = told.get("pose")
    return Person(
        joints=_rows(told["joints"], joints, 2),
        seen=seen,
        pose=None if pose is None else _rows(pose, joints, 3),
        by_hand=told.get("by_hand") is True,
    )


def _rows(told: Any, count: int, width: int) -> Rows:
    rows = tuple(tuple(_number(value) for value in row) for row in told)
    if len(rows) != count or any(len(row) != width for row in rows):
        raise ValueError(f"expected {count} rows of {width} numbers")
    return rows


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r:.40}")
    if not abs(value) <= _FURTHEST:  # nor is what is no number
        raise ValueError(f"{value!r:.40} is further away than anything can be")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, got {value!r:.40}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r:.40}")
    return value


def _reason(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else one_line(error)[:200]
