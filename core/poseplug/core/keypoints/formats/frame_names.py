"""The number of a frame in the name of its image."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.file_values import shown, whole

_NUMBERED = re.compile(r"(.*?)(\d{1,18})((?:_keypoints|_rendered)?(?:\.[^.\d]\w*)?)", re.DOTALL)
_OF_VIDEO = re.compile(r"(.*?)_?\d{12}(?:_keypoints)?\.json")


def numbered(name: str) -> tuple[str, int]:
    """Return a name without its last number, and that number; -1 where there is none ("cat.jpg")."""
    found = _NUMBERED.fullmatch(name)
    return (f"{found[1]}*{found[3]}", int(found[2])) if found else (name, -1)


def frames_by_name() -> Callable[[object, str], int]:
    """Return a function from an image's name, and where it stands, to its frame.

    Names such as "frame_000012.jpg" are frame 12, if all names of the file are alike; where the first has no number,
    images count from 0 as they appear. A number instead of a name is the frame.
    """
    first = ""
    seen: dict[str, int] = {}

    def frame(name: object, where: str) -> int:
        nonlocal first
        if type(name) is not str:
            return whole(name, where, "the image")
        pattern, number = numbered(name)
        first = first or (pattern if number >= 0 else "/")
        if first == "/":
            return seen.setdefault(name, len(seen))
        if pattern != first:
            raise PoseplugError(
                f"{where}: the image {shown(name)} is not numbered like the first, {shown(first)}; frames of one video "
                "are expected. Give each video a file of its own, or number the images."
            )
        return number

    return frame


def json_files(folder: Path) -> list[str]:
    """Return the names of the JSON files of a folder, sorted.

    Raises:
        PoseplugError: it cannot be read.
    """
    try:
        names = [file.name for file in folder.iterdir() if file.suffix.lower() == ".json" and file.name[0] != "."]
    except OSError as error:
        raise PoseplugError(f"Cannot read '{folder}': {error.strerror or error}; check the path.") from None
    return sorted(names)


def numbered_files(path: Path) -> list[tuple[int, Path]]:
    """Return the files of a folder, or a file alone, with their frames; raise PoseplugError as ``in_order`` does."""
    if not path.is_dir():
        return [(max(numbered(path.name)[1], 0), path)]
    return [(frame, path / name) for frame, name in in_order(json_files(path), f"'{path}'")]


def in_order(names: Sequence[str], where: str) -> list[tuple[int, str]]:
    """Return the files of a folder with their frames, in order: by their numbers, if all are named alike, else from 0.

    Raises:
        PoseplugError: they are those of several videos, or two have one number.
    """
    split = sorted((numbered(name), name) for name in names)
    patterns = {pattern for (pattern, _), _ in split}
    videos = {found[1] for name in names if (found := _OF_VIDEO.fullmatch(name))}
    if len(videos) > 1:
        some = " and ".join(f"'{video}'" for video in sorted(videos)[:2])
        raise PoseplugError(f"{where} holds frames of several videos, such as {some}; give each a folder of its own.")
    if len(patterns) > 1 or any(number < 0 for (_, number), _ in split):
        return list(enumerate(name for _, name in split))
    for ((_, number), name), ((_, next_number), next_name) in pairwise(split):
        if number == next_number:
            raise PoseplugError(f"{where} has frame {number} twice, in '{name}' and '{next_name}'; remove one.")
    return [(number, name) for (_, number), name in split]
