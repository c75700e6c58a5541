"""Key points in the format of COCO: annotations, and lists of results.

https://cocodataset.org/#format-data and https://cocodataset.org/#format-results
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.file_values import shown, whole
from poseplug.core.keypoints.json_stream import JsonStream
from poseplug.core.keypoints.people import PeopleFile, Person, Size, fitting, open_people

# Whole-body files have face and hands after the body.
KNOWN = {17: LAYOUTS["coco17"], 26: LAYOUTS["halpe26"], 133: LAYOUTS["coco17"], 136: LAYOUTS["halpe26"]}
_SIDED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_COCO_NAMES = ("nose", *(f"{side}_{part}" for part in _SIDED for side in ("left", "right")))


def open_coco(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open annotations (an object) or results (a list). Images are numbered by their ids.

    Visibility 1 and 2 are confidence 1; crowds and people without key points are left out.
    """
    with JsonStream(path) as stream:
        if stream.peek() == "[":
            return open_people("coco", path, partial(_results, path, size), KNOWN, skeleton)
        head = _read_head(stream)
    people = partial(_annotations, path, head, size)
    if head.names is None:
        return open_people("coco", path, people, KNOWN, skeleton)
    count = len(head.names)
    if skeleton is None and count == 17 and sorted(head.names) != sorted(_COCO_NAMES):
        raise PoseplugError(
            f"'{path}': its 17 joints are not COCO's, but {', '.join(map(shown, head.names[:4]))}, ... Say which "
            "joints these are with --skeleton: a name or a TOML file."
        )
    order = None
    if skeleton in (None, KNOWN[17]) and {*head.names} == {*_COCO_NAMES} and head.names != _COCO_NAMES:
        order = [head.names.index(name) for name in _COCO_NAMES]
    return PeopleFile("coco", path, fitting(path, count, KNOWN, skeleton), partial(_ordered, people, order), count)


@attrs.frozen
class _Head:
    """What annotations refer to: sizes of images by id, the joints' names, and the categories that have any."""

    sizes: Mapping[int, tuple[float, float]]
    names: tuple[str, ...] | None
    categories: frozenset[int]


def _read_head(stream: JsonStream) -> _Head:
    """Read images and categories, which may stand behind the annotations."""
    sizes: dict[int, tuple[float, float]] = {}
    names: tuple[str, ...] | None = None
    with_joints: set[int] = set()
    left = {"images", "categories", "annotations"}
    for key in stream.members():
        if key == "images":
            for index, image in enumerate(stream.items()):
                where = f"'{stream.path}', images[{index}]"
                if not isinstance(image, dict) or "id" not in image:
                    raise PoseplugError(f"{where}: expected an image with an id, found {shown(image)}.")
                if all(size := _size(image, where)):
                    sizes[whole(image["id"], where, "the id")] = size
        elif key == "categories":
            for index, category in enumerate(stream.items()):
                where = f"'{stream.path}', categories[{index}]"
                found = _names(category, where)
                if found is not None:
                    if names is not None and found != names:
                        raise PoseplugError(f"{where}: other joints than those before; give each a file of its own.")
                    names = found
                    with_joints.add(whole(category.get("id"), where, "the id"))
        elif key == "annotations" and left == {"annotations"}:
            break
        else:
            stream.skip()
        left.discard(key)
    else:
        stream.end()
        if "annotations" in left:
            raise PoseplugError(f"'{stream.path}': has no 'annotations', as files of COCO have.")
    return _Head(sizes, names, frozenset(with_joints))


def _names(category: Any, where: str) -> tuple[str, ...] | None:
    if not isinstance(category, dict):
        raise PoseplugError(f"{where}: expected a category, found {shown(category)}.")
    names = category.get("keypoints")
    if not names:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        raise PoseplugError(f"{where}: keypoints must be a list of different names, found {shown(names)}.")
    return tuple(names)


def _size(image: Mapping[str, Any], where: str) -> tuple[float, float]:
    width, height = image.get("width", 0), image.get("height", 0)
    if not all(type(side) in (int, float) and 0 <= side < 1e6 for side in (width, height)):
        raise PoseplugError(f"{where}: width and height are {shown(width)} and {shown(height)}; expected pixels.")
    return float(width), float(height)


def _annotations(path: Path, head: _Head, size: Size | None) -> Iterator[Person]:
    unknown = size or (0, 0)
    with JsonStream(path) as stream:
        for key in stream.members():
            if key != "annotations":
                stream.skip()
                continue
            for index, item in enumerate(stream.items()):
                place = f"annotations[{index}]"
                if not isinstance(item, dict):
                    raise PoseplugError(f"'{path}', {place}: expected an annotation, found {shown(item)}.")
                numbers = item.get("keypoints")
                if item.get("iscrowd") or not numbers or not _labelled(item, head):
                    continue
                frame = whole(item.get("image_id"), f"'{path}', {place}", "image_id")
                image = head.sizes.get(frame, unknown)
                yield Person(place, numbers, frame, _track(item, path, place), image, _box(item))
        stream.end()


def _labelled(item: Mapping[str, Any], head: _Head) -> bool:
    """Return whether an annotation has key points of a category that the file has joints of."""
    category = item.get("category_id")
    known = not head.categories or (type(category) is int and category in head.categories)
    return known and item.get("num_keypoints", 1) != 0


def _ordered(people: Any, order: list[int] | None) -> Iterator[Person]:
    if order is None:
        yield from people()
        return
    picks = [3 * joint + part for joint in order for part in range(3)]
    for person in people():
        numbers = person.numbers
        if type(numbers) is list and len(numbers) == len(picks):
            numbers = [numbers[pick] for pick in picks]
        yield person._replace(numbers=numbers)


def _results(path: Path, size: Size | None) -> Iterator[Person]:
    with JsonStream(path) as stream:
        for index, item in enumerate(stream.items()):
            place = f"item {index}"
            if not isinstance(item, dict) or "keypoints" not in item:
                raise PoseplugError(f"'{path}', {place}: expected {{image_id, keypoints, ...}}, found {shown(item)}.")
            frame = whole(item.get("image_id"), f"'{path}', {place}", "image_id")
            yield Person(place, item["keypoints"], frame, _track(item, path, place), size or (0, 0))
        stream.end()


def _box(item: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return the person's box, zeros where there is none that could be one."""
    box = item.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or any(type(side) not in (int, float) for side in box):
        return 0.0, 0.0, 0.0, 0.0
    left, top, width, height = box
    inside = all(-1e6 < side < 1e6 for side in box) and width > 0 and height > 0
    return (float(left), float(top), float(width), float(height)) if inside else (0.0, 0.0, 0.0, 0.0)


def _track(item: Mapping[str, Any], path: Path, place: str) -> int:
    """Return who it is, as PoseTrack's files say it."""
    return whole(item["track_id"], f"'{path}', {place}", "track_id") if item.get("track_id") is not None else -1
