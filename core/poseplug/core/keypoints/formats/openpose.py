"""Key points that OpenPose writes with --write_json: a file for each frame.

https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown
from poseplug.core.keypoints.formats.frame_names import numbered_files
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.people import Person, Size, open_people

_KNOWN = {25: LAYOUTS["openpose25"], 18: LAYOUTS["openpose18"], 15: LAYOUTS["openpose15"]}
# People whose coordinates say whether they are pixels.
_LOOKED_AT = 100


def open_openpose(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open a folder of files, one for each frame, or one of them; frames are numbered by their names.

    Raises:
        PoseplugError: coordinates are shares of the image (--keypoint_scale 3) and the size is not known.
    """
    files = numbered_files(path)
    people = partial(_people, path, files, size)
    scale = _scale(path, people(), size)
    return open_people("openpose", path, people, _KNOWN, skeleton, scale)


def _people(path: Path, files: Sequence[tuple[int, Path]], size: Size | None) -> Iterator[Person]:
    for frame, file in files:
        for index, numbers in enumerate(people_of(_table(file), f"'{file}'")):
            if numbers != []:
                place = f"people[{index}]" if file == path else f"{file.name}, people[{index}]"
                yield Person(place, numbers, frame, size=size or (0, 0))


def _table(file: Path) -> Any:
    with JsonStream(file) as stream:
        table = stream.value()
        stream.end()
    return table


def people_of(table: Any, where: str) -> Iterator[Any]:
    """Give the numbers of all people of one frame.

    Raises:
        PoseplugError: the table is not one of OpenPose's.
    """
    people = table.get("people") if isinstance(table, dict) else None
    if not isinstance(people, list):
        raise PoseplugError(f"{where}: expected a table with 'people', as OpenPose writes, found {shown(table)}.")
    for index, person in enumerate(people):
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise PoseplugError(f"{where}, people[{index}]: expected 'pose_keypoints_2d', found {shown(person)}.")
        yield person["pose_keypoints_2d"]


def _scale(path: Path, people: Iterator[Person], size: Size | None) -> Size | None:
    """Return the image's size if coordinates are shares of it: nobody is a pixel tall."""
    rows = [person.numbers for person in islice(people, _LOOKED_AT) if type(person.numbers) is list]
    numbers = [number for row in rows for number in chain(row[::3], row[1::3]) if type(number) in (int, float)]
    if not any(numbers) or max(map(abs, numbers)) > 1:
        return None
    if min(numbers) < 0:
        raise PoseplugError(
            f"'{path}': coordinates go from -1 to 1 (--keypoint_scale 4); write pixels with --keypoint_scale 0."
        )
    if size is None:
        raise PoseplugError(
            f"'{path}': coordinates go from 0 to 1 (--keypoint_scale 3) and the files do not say of what. Give the "
            "images' --size WIDTHxHEIGHT, or write pixels with --keypoint_scale 0."
        )
    return size
