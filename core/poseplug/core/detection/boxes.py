"""People's boxes in images, as files of COCO have them: annotations, or a list of a detector's results.

https://cocodataset.org/#format-data and https://cocodataset.org/#format-results
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.file_values import shown, whole
from poseplug.core.keypoints.formats.frame_names import numbered
from poseplug.core.keypoints.json_stream import JsonStream

Box = tuple[float, float, float, float]
# COCO's category of people, where a file names none.
_PERSON = 1
# Detectors list boxes down to scores at which they no longer believe in them themselves.
LEAST_SCORE = 0.3


@attrs.frozen
class PersonBox:
    """A person's box in pixels (left, top, width, height), and their track, -1 where the file does not say."""

    box: Box
    track: int = -1


@attrs.frozen
class Boxes:
    """The boxes of a file: by the name of the picture, or of results, which know no names, by its number."""

    path: Path
    by_name: Mapping[str, list[PersonBox]] | None
    by_number: Mapping[int, list[PersonBox]]

    def of(self, picture: Path) -> list[PersonBox]:
        """Return the boxes of a picture, by its name, else by the number in its name; none where it has none."""
        if self.by_name is not None:
            return self.by_name.get(picture.name, [])
        return self.by_number.get(numbered(picture.name)[1], [])


def read_boxes(path: Path, least_score: float = LEAST_SCORE) -> Boxes:
    """Read people's boxes; crowds, other categories and boxes with a lower score are left out.

    Raises:
        PoseplugError: the file is damaged, or has no boxes as COCO's have.
    """
    with JsonStream(path) as stream:
        if stream.peek() == "[":
            items = list(stream.items())
            images, people = None, {_PERSON}
        else:
            found = {key: list(stream.items()) if stream.peek() == "[" else stream.value() for key in stream.members()}
            items, images, people = _parts(path, found)
        stream.end()
    by_number: dict[int, list[PersonBox]] = {}
    for index, item in enumerate(items):
        where = f"'{path}', {'annotations' if images is not None else 'item '}[{index}]"
        if not isinstance(item, dict):
            raise PoseplugError(f"{where}: expected {{image_id, bbox, ...}}, found {shown(item)}.")
        score = item.get("score", 1.0)
        sure = type(score) in (int, float) and score >= least_score
        if item.get("iscrowd") or item.get("category_id", _PERSON) not in people or not sure:
            continue
        number = _number(item.get("image_id"), where)
        track = item.get("track_id")
        box = PersonBox(_box(item.get("bbox"), where), -1 if track is None else whole(track, where, "track_id"))
        by_number.setdefault(number, []).append(box)
    if images is None:
        return Boxes(path, None, by_number)
    return Boxes(path, {name: by_number.get(number, []) for number, name in images.items()}, by_number)


def image_names(path: Path) -> dict[int, str]:
    """Return the file name of each image of a file of annotations, by its id, with folders if it has any.

    Raises:
        PoseplugError: the file is damaged, or has no 'images' with ids and names.
    """
    with JsonStream(path) as stream:
        if stream.peek() != "{":
            raise PoseplugError(f"'{path}' has no 'images', as annotations of COCO have; give a file of annotations.")
        for key in stream.members():
            if key == "images":
                return _names(path, list(stream.items()))
            stream.skip()
    raise PoseplugError(f"'{path}' has no 'images', as annotations of COCO have; give a file of annotations.")


def _parts(path: Path, found: Mapping[str, Any]) -> tuple[list[Any], dict[int, str], set[Any]]:
    items = found.get("annotations")
    if not isinstance(items, list) or not isinstance(found.get("images"), list):
        raise PoseplugError(f"'{path}': expected lists of 'images' and 'annotations', as files of COCO have.")
    images = {number: PurePath(name).name for number, name in _names(path, found["images"]).items()}
    named = found.get("categories")
    categories = [each for each in named if isinstance(each, dict)] if isinstance(named, list) else []
    return items, images, {each.get("id") for each in categories if each.get("name") == "person"} or {_PERSON}


def _names(path: Path, images: list[Any]) -> dict[int, str]:
    names = {}
    for index, image in enumerate(images):
        where = f"'{path}', images[{index}]"
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str) or not image["file_name"]:
            raise PoseplugError(f"{where}: expected an image with id and file_name, found {shown(image)}.")
        names[whole(image.get("id"), where, "the id")] = image["file_name"]
    return names


def _number(said: Any, where: str) -> int:
    if isinstance(said, str):
        number = numbered(said)[1]
        if number >= 0:
            return number
    return whole(said, where, "image_id")


def _box(said: Any, where: str) -> Box:
    if isinstance(said, list) and len(said) == 4 and all(type(side) in (int, float) for side in said):
        left, top, width, height = map(float, said)
        if -1e6 < left < 1e6 and -1e6 < top < 1e6 and 0 < width < 1e6 and 0 < height < 1e6:
            return left, top, width, height
    raise PoseplugError(f"{where}: bbox is {shown(said)}; expected left, top, width and height in pixels.")
