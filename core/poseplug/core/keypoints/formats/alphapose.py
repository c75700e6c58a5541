"""Key points in alphapose-results.json, in the three forms that AlphaPose writes.

https://github.com/MVIG-SJTU/AlphaPose/blob/master/docs/output.md
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown
from poseplug.core.keypoints.formats.coco import KNOWN
from poseplug.core.keypoints.formats.frame_names import frames_by_name
from poseplug.core.keypoints.formats.openpose import people_of
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.people import Person, Size, open_people

_BY_IMAGE = {18: LAYOUTS["openpose18"]}
# People whose numbers say whether they are tracks.
_LOOKED_AT = 1000


def open_alphapose(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open a list of people, or a table of images (--format cmu or open).

    ``idx`` is the track, if it tells people apart; frames are numbered by the images' names.
    """
    with JsonStream(path) as stream:
        if stream.peek() == "{":
            return open_people("alphapose", path, partial(_by_image, path, size), _BY_IMAGE, skeleton)
    people = islice(_listed(path, size, tracked=True), _LOOKED_AT)
    who = [(person.frame, person.track) for person in people]
    # Without a tracker everybody is number 0.
    tracked = len({*who}) == len(who)
    return open_people("alphapose", path, partial(_listed, path, size, tracked=tracked), KNOWN, skeleton)


def _listed(path: Path, size: Size | None, *, tracked: bool) -> Iterator[Person]:
    frame_of = frames_by_name()
    with JsonStream(path) as stream:
        for index, item in enumerate(stream.items()):
            place = f"item {index}"
            where = f"'{path}', {place}"
            if not isinstance(item, dict) or "keypoints" not in item:
                raise PoseplugError(f"{where}: expected {{image_id, keypoints, ...}}, found {shown(item)}.")
            frame = frame_of(item.get("image_id"), where)
            track = _track(item.get("idx"), where) if tracked else -1
            yield Person(place, item["keypoints"], frame, track, size or (0, 0))
        stream.end()


def _track(value: Any, where: str) -> int:
    """Return who it is; AlphaPose has it as a number or in lists, depending on the tracker."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, list):
        return -1
    if type(value) in (int, float) and abs(value) < 2**53 and value == int(value):
        return int(value)
    raise PoseplugError(f"{where}: idx is {shown(value)}; expected a whole number.")


def _by_image(path: Path, size: Size | None) -> Iterator[Person]:
    frame_of = frames_by_name()
    with JsonStream(path) as stream:
        for name in stream.members():
            table, where = stream.value(), f"'{path}', {shown(name)}"
            frame = frame_of(name, where)
            rows = _bodies(table, where) if isinstance(table, dict) and "bodies" in table else people_of(table, where)
            for index, numbers in enumerate(rows):
                yield Person(f"{shown(name)}, person {index}", numbers, frame, size=size or (0, 0))
        stream.end()


def _bodies(table: dict[str, Any], where: str) -> Iterator[Any]:
    bodies = table["bodies"]
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise PoseplugError(f"{where}: bodies must be a list of tables with 'joints', found {shown(bodies)}.")
    for body in bodies:
        yield body.get("joints")
