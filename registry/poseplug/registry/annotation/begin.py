"""Key points to begin with: whose image is whose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.formats.frame_names import numbered
from poseplug.registry.annotation.images import ImageFile
from poseplug.registry.annotation.people import MISSING, SEEN, Person
from poseplug.registry.lifting.files import open_file
from poseplug.registry.lifting.tracking.joints import JointMaker

# Joints below count as missing, as in ``poseplug lift``.
_SURE = 0.1


def people_of(path: Path, images: Sequence[ImageFile], skeleton: Skeleton) -> tuple[dict[int, list[Person]], str]:
    """Return the people of a file of key points by the number of their image, and a sentence on how these were found.

    The frame of a person is the number in the name of the image, if every frame is; otherwise it counts the images.

    Raises:
        PoseplugError: the file cannot be read; its frames are not those of the images.
    """
    file, made = open_file(path, "auto", "", None)
    missing = map_layout(file.skeleton, skeleton, {k: v for k, v in made.items() if v is not None}).missing
    make = JointMaker(file.skeleton, skeleton, {**made, **dict.fromkeys(missing)})
    chunks = list(file.chunks())
    places, how = _places({int(frame) for chunk in chunks for frame in chunk.frame.tolist()}, images, path)
    found: dict[int, list[Person]] = {}
    for chunk in chunks:
        for frame, person in zip(chunk.frame.tolist(), _people(chunk, make), strict=True):
            if person is not None:
                found.setdefault(places[frame], []).append(person)
    return found, f"images are found {how}"


def _people(chunk: Detections, make: JointMaker) -> list[Person | None]:
    joints, confidence = make(chunk.joints, torch.where(chunk.confidence >= _SURE, chunk.confidence, 0))
    marks = [[tuple(round(value, 2) for value in joint) for joint in person] for person in joints.tolist()]
    seen = torch.where(confidence > 0, SEEN, MISSING).tolist()
    return [Person(tuple(mark), tuple(one)) if any(one) else None for mark, one in zip(marks, seen, strict=True)]


def _places(frames: set[int], images: Sequence[ImageFile], path: Path) -> tuple[dict[int, int], str]:
    numbers = [numbered(Path(image.name).stem)[1] for image in images]
    by_number = {number: place for place, number in enumerate(numbers)}
    if len(by_number) == len(images) and frames <= by_number.keys():
        return by_number, "by the numbers in their names"
    if all(0 <= frame < len(images) for frame in frames):
        return {frame: frame for frame in frames}, "by counting them from 0"
    strange = min(frame for frame in frames if frame not in by_number)
    raise PoseplugError(
        f"'{path}' has people in frame {strange}, and no image has that number in its name, nor are there so many; "
        f"there are {len(images)} images, the first is '{images[0].name}'."
    )
