"""Key points that MMPose writes: its demos with --save-predictions, and MMPoseInferencer with pred_out_dir.

https://mmpose.readthedocs.io/en/latest/user_guides/inference.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown, whole
from poseplug.core.keypoints.formats.coco import KNOWN
from poseplug.core.keypoints.formats.frame_names import numbered_files
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.people import Person, Size, open_people

_KNOWN = {**KNOWN, 16: LAYOUTS["mpii16"]}


def open_mmpose(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open a demo's file, the Inferencer's list for a video or an image, or a folder of those for images.

    Frames count from 0: the demos', which count from 1, are one lower here.
    """
    files = numbered_files(path)
    if skeleton is None:
        _check_names(files[0][1])
    people = partial(_of_all, path, files, size)
    return open_people("mmpose", path, people, _KNOWN, skeleton)


def _of_all(path: Path, files: list[tuple[int, Path]], size: Size | None) -> Iterator[Person]:
    for number, file in files:
        prefix = "" if file == path else f"{file.name}, "
        for person in _people(file, number, size):
            yield person._replace(place=prefix + person.place) if prefix else person


def _people(file: Path, number: int, size: Size | None) -> Iterator[Person]:
    with JsonStream(file) as stream:
        if stream.peek() == "[":
            yield from _instances(stream, "", 0, number, size)
        else:
            for key in stream.members():
                if key == "instance_info":
                    yield from _instances(stream, "instance_info", 1, number, size)
                else:
                    stream.skip()
        stream.end()


def _instances(stream: JsonStream, key: str, first: int, number: int, size: Size | None) -> Iterator[Person]:
    """Give the people of a list: of frames, counted from ``first``, or of instances of the frame ``number``."""
    for index, item in enumerate(stream.items()):
        place = f"{key}[{index}]" if key else f"item {index}"
        where = f"'{stream.path}', {place}"
        if not isinstance(item, dict):
            raise PoseplugError(f"{where}: expected a frame or a person, found {shown(item)}.")
        if "instances" not in item:
            yield _person(item, place, where, number, size)
            continue
        frame = whole(item.get("frame_id"), where, "frame_id") - first
        if frame < 0:
            raise PoseplugError(f"{where}: frame_id is {frame + first}; expected {first} or more.")
        if not isinstance(item["instances"], list):
            raise PoseplugError(f"{where}: instances must be a list, found {shown(item['instances'])}.")
        for person, instance in enumerate(item["instances"]):
            yield _person(instance, f"{place}, person {person}", where, frame, size)


def _person(instance: Any, place: str, where: str, frame: int, size: Size | None) -> Person:
    if not isinstance(instance, dict):
        raise PoseplugError(f"{where}: expected a person, found {shown(instance)}.")
    points, scores = instance.get("keypoints"), instance.get("keypoint_scores")
    if not isinstance(points, list) or not isinstance(scores, list) or len(points) != len(scores):
        raise PoseplugError(
            f"{where}: expected as many keypoints as keypoint_scores, found {shown(points)} and {shown(scores)}."
        )
    if not all(type(point) is list and len(point) == 2 for point in points):
        raise PoseplugError(f"{where}: keypoints must be lists of x and y.")
    numbers = [*chain.from_iterable((x, y, score) for (x, y), score in zip(points, scores, strict=True))]
    track = instance.get("track_id")
    return Person(place, numbers, frame, -1 if track is None else whole(track, where, "track_id"), size or (0, 0))


def _check_names(file: Path) -> None:
    """Refuse a demo's file whose joints have other names than COCO's."""
    with JsonStream(file) as stream:
        if stream.peek() != "{":
            return
        for key in stream.members():
            if key != "meta_info":
                stream.skip()
                continue
            meta = stream.value()
            names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
            if isinstance(names, Mapping) and len(names) == 17 and names.get("0") not in ("nose", None):
                raise PoseplugError(
                    f"'{file}': its 17 joints are not COCO's, the first is {shown(names.get('0'))}. Say which joints "
                    "these are with --skeleton: a name or a TOML file."
                )
            return
