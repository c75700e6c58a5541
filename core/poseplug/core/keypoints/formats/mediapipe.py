"""Landmarks of MediaPipe's pose landmarker, in the JSON that its users write.

https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.people import Person, Size, open_people

_KNOWN = {33: LAYOUTS["mediapipe33"]}
# Landmarks in one frame, of however many people.
_MOST = 4096


def open_mediapipe(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open a list of frames, or lines of them: 33 {x, y, visibility}, {"landmarks": those}, people's lists, or null.

    Frames count from 0.

    Raises:
        PoseplugError: the size is not known, of which coordinates are shares.
    """
    if size is None:
        raise PoseplugError(
            f"'{path}': MediaPipe's coordinates are shares of the image and its files do not say of what. Give the "
            "images' --size WIDTHxHEIGHT."
        )
    return open_people("mediapipe", path, partial(_people, path, size), _KNOWN, skeleton, size)


def _people(path: Path, size: Size) -> Iterator[Person]:
    for frame, value in enumerate(_frames(path)):
        where = f"'{path}', frame {frame}"
        for index, landmarks in enumerate(poses(value, where)):
            yield Person(f"person {index}", _numbers(landmarks, where), frame, size=size)


def _frames(path: Path) -> Iterator[Any]:
    with JsonStream(path) as stream:
        if stream.peek() == "[":
            values = stream.items()
            first = next(values, None)
            # One frame alone is a list of landmarks; so are lines of such.
            if isinstance(first, dict) and "x" in first:
                yield [first, *islice(values, _MOST)]
                if next(values, None) is not None:
                    raise stream.error(f"a frame of more than {_MOST} landmarks")
            else:
                yield first
                yield from values
                stream.end()
        while stream.peek():
            yield stream.value()


def poses(value: Any, where: str) -> Iterator[list[Any]]:
    """Give the lists of landmarks of one frame.

    Raises:
        PoseplugError: the frame is none of MediaPipe's.
    """
    if isinstance(value, dict):
        value = next((value[key] for key in ("landmarks", "pose_landmarks") if key in value), "no landmarks")
    if value is None or value == []:
        return
    if not isinstance(value, list):
        raise PoseplugError(f"{where}: expected a list of landmarks, {{landmarks}} or null, found {shown(value)}.")
    yield from [value] if isinstance(value[0], dict) else value


def _numbers(landmarks: Any, where: str) -> list[Any]:
    try:
        return [*chain.from_iterable((at["x"], at["y"], at.get("visibility", 1.0)) for at in landmarks)]
    except (TypeError, AttributeError, KeyError):
        raise PoseplugError(f"{where}: expected landmarks {{x, y, z, visibility}}, found {shown(landmarks)}.") from None
