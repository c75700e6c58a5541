"""Key points in tables of text: a line for each person, or for each joint."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown, whole
from poseplug.core.keypoints.people import PeopleFile, Person, Size

_LONGEST_LINE = 1 << 20
_PARTS = ("x", "y", "score")


def open_csv(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open a table whose first line names its columns; separated by commas, semicolons or tabs.

    Wide: nose_x, nose_y and perhaps nose_score for every joint; long: joint, x, y and perhaps score, sorted by frame.
    Either may have frame and track; "confidence" is another word for score. Joints are found by name ("LShoulder" and
    "left_shoulder" are one); an empty cell is missing.
    """
    _, header = next(_lines(path), (0, []))
    columns = {_column(name): index for index, name in enumerate(header)}
    if len(columns) < len(header):
        raise PoseplugError(f"'{path}', line 1: two columns have the same name.")
    if {"joint", "x", "y"} <= {*columns}:
        if skeleton is None:
            raise PoseplugError(f"'{path}': say which layout its joints are of with --skeleton: a name or a TOML file.")
        if "track" in columns and "frame" not in columns:
            raise PoseplugError(f"'{path}', line 1: a column 'track', but none 'frame'; add it.")
        people: Callable[[], Iterator[Person]] = partial(_long, _Table(path, columns, size), skeleton)
    else:
        joints = {_plain(name[:-2]) for name in columns if name.endswith("_x") and f"{name[:-2]}_y" in columns}
        skeleton = skeleton or _by_names(path, joints)
        people = partial(_wide, _Table(path, columns, size), _picks(path, columns, skeleton))
    return PeopleFile("csv", path, skeleton, people, skeleton.num_joints)


def columns_of(line: str) -> list[str]:
    """Return the names in a table's first line."""
    return next(csv.reader([line], delimiter=_separator(line)), [])


def is_table(line: str) -> bool:
    """Return whether a first line is that of key points."""
    try:
        names = {_column(name) for name in columns_of(line)}
    except csv.Error:
        return False
    return {"joint", "x", "y"} <= names or any(name.endswith("_x") and f"{name[:-2]}_y" in names for name in names)


@attrs.frozen
class _Table:
    path: Path
    columns: dict[str, int]
    size: Size | None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Give the lines below the first with their numbers."""
        lines = _lines(self.path)
        next(lines)
        for number, row in lines:
            if not row:
                continue
            if len(row) != len(self.columns):
                raise PoseplugError(
                    f"'{self.path}', line {number}: {len(row)} cells, but {len(self.columns)} columns have names."
                )
            yield number, row

    def whole(self, name: str, row: Sequence[str], line: int, default: int) -> int:
        if name not in self.columns:
            return default
        cell = row[self.columns[name]]
        value = self.number(cell, line, name)
        return -1 if name == "track" and math.isnan(value) else whole(value, f"'{self.path}', line {line}", name)

    def number(self, cell: str, line: int, name: str) -> float:
        """Return the number in a cell; NaN if it is empty."""
        try:
            # Python's own "1_000" is none.
            return math.nan if not cell.strip() else float(cell.replace("_", "?"))
        except ValueError:
            where = f"'{self.path}', line {line}"
            raise PoseplugError(f"{where}: {name} is {shown(cell)} where a number is expected.") from None


def _wide(table: _Table, picks: Sequence[tuple[str, int]]) -> Iterator[Person]:
    for count, (line, row) in enumerate(table.rows()):
        numbers = [1.0 if index < 0 else table.number(row[index], line, name) for name, index in picks]
        yield _person(table, line, row, numbers, count)


def _person(table: _Table, line: int, row: Sequence[str], numbers: list[float], count: int) -> Person:
    frame = table.whole("frame", row, line, count)
    return Person(f"line {line}", numbers, frame, table.whole("track", row, line, -1), table.size or (0, 0))


def _long(table: _Table, skeleton: Skeleton) -> Iterator[Person]:
    order = {_plain(joint): index for index, joint in enumerate(skeleton.joints)}
    latest: dict[int, int] = {}
    at = [(name, table.columns[name]) for name in _PARTS if name in table.columns]
    joint_column = table.columns["joint"]
    empty = [math.nan, math.nan, 0.0] * skeleton.num_joints
    who: tuple[int, int] | None = None
    numbers, seen, first, count = [*empty], 0, 2, -1
    for line, row in table.rows():
        joint = order.get(_plain(row[joint_column]))
        if joint is None:
            name = row[joint_column]
            raise PoseplugError(
                f"'{table.path}', line {line}: the skeleton '{skeleton.name}' has no joint {shown(name)}."
                f"{did_you_mean(name[:80], skeleton.joints)}"
            )
        frame, track = table.whole("frame", row, line, count), table.whole("track", row, line, -1)
        again = bool(seen >> joint & 1)
        if "frame" not in table.columns and (who is None or again):
            # Without frames, a person ends where a joint comes again.
            count += 1
            frame = count
        if (frame, track) != who:
            if who is not None:
                yield Person(f"line {first}", numbers, *who, table.size or (0, 0))
            if track in latest and frame <= latest[track]:
                raise PoseplugError(
                    f"'{table.path}', line {line}: frame {frame} after frame {latest[track]} of the same person; sort "
                    "the table by track and frame."
                )
            who, numbers, seen, first, latest[track] = (frame, track), [*empty], 0, line, frame
        elif again:
            raise PoseplugError(
                f"'{table.path}', line {line}: joint {skeleton.joints[joint]} of frame {frame} stands there twice; "
                "people of one frame need a column 'track'."
            )
        seen |= 1 << joint
        numbers[3 * joint : 3 * joint + 3] = [*(table.number(row[index], line, name) for name, index in at), 1.0][:3]
    if who is not None:
        yield Person(f"line {first}", numbers, *who, table.size or (0, 0))


def _picks(path: Path, columns: dict[str, int], skeleton: Skeleton) -> list[tuple[str, int]]:
    """Return the columns of x, y and score of every joint; -1 for a score that is not there."""
    found = {}
    for name, index in columns.items():
        joint, _, part = name.rpartition("_")
        found[_plain(joint), part] = name, index
    picks = []
    for joint in skeleton.joints:
        for part in _PARTS:
            pick = found.get((_plain(joint), part))
            if pick is None and part != "score":
                raise PoseplugError(
                    f"'{path}' has no column '{joint}_{part}', which the skeleton '{skeleton.name}' needs."
                )
            picks.append(pick or ("score", -1))
    return picks


def _by_names(path: Path, joints: set[str]) -> Skeleton:
    for skeleton in LAYOUTS.values():
        if {_plain(joint) for joint in skeleton.joints} == joints:
            return skeleton
    raise PoseplugError(
        f"'{path}': no known layout has just its {len(joints)} joints; say which layout it is with --skeleton: a name "
        "or a TOML file."
    )


def _column(name: str) -> str:
    return name.strip().lower().replace("confidence", "score")


def _plain(joint: str) -> str:
    """Return a joint's name as it is compared: "left_shoulder" and "LShoulder" are one."""
    plain = joint.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
    for side in ("left", "right"):
        if plain.startswith(side):
            plain = side[0] + plain.removeprefix(side)
    return plain


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give the lines' numbers and cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline(_LONGEST_LINE)
            file.seek(0)
            reader = csv.reader(_bounded(file, path), delimiter=_separator(head))
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise PoseplugError(f"'{path}': not a table of text ({error}); write it again.") from None


def _bounded(file: TextIO, path: Path) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise PoseplugError(f"'{path}', line {number}: a line of more than a million characters.")
        yield line
