"""From the people of a file, one by one as its format has them, to chunks of detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import numpy.typing as npt
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.file_values import shown

CHUNK = 4096
Floats = npt.NDArray[np.float64]
Size = tuple[int, int]
# No image is as wide; where such numbers stand, the file is damaged or holds something else.
_ABSURD = 1e6
_NUMBERS = {int, float, type(None)}


class Person(NamedTuple):
    """One person, as a format has them; nothing has been checked.

    Attributes:
        place: where in the file, for messages.
        numbers: x, y and score of every joint, one after the other; None counts as NaN.
        frame, track: as in ``Detections``.
        size: width and height of the image in pixels; zeros where nobody knows.
        box: as in ``Detections``.
    """

    place: str
    numbers: Any
    frame: int
    track: int = -1
    size: tuple[float, float] = (0.0, 0.0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


@attrs.define(eq=False)
class PeopleFile:
    """A ``KeypointFile`` whose people come one by one.

    Attributes:
        path: the file or folder.
        people: begins at the first person, each time that it is called.
        joints: how many joints the file has; the skeleton's are the first of them.
        scale: what coordinates are multiplied by to get pixels: the image's size where they are shares of it.
    """

    format: str
    path: Path
    skeleton: Skeleton
    people: Callable[[], Iterator[Person]]
    joints: int
    scale: Size | None = None
    fps: float | None = None

    def chunks(self) -> Iterator[Detections]:
        people = self.people()
        while chunk := list(islice(people, CHUNK)):
            found = self._detections(chunk)
            # Before the next is read.
            chunk.clear()
            yield found

    def _detections(self, people: list[Person]) -> Detections:
        values = self._values(people)[:, : self.skeleton.num_joints]

        def place(row: int) -> str:
            return people[row].place

        found = detections(
            self.path,
            self.skeleton,
            values,
            frame=np.array([person.frame for person in people], dtype=np.int64),
            track=np.array([person.track for person in people], dtype=np.int64),
            size=np.array([person.size for person in people], dtype=np.float64),
            place=place,
            scale=self.scale,
        )
        return attrs.evolve(found, box=torch.tensor([person.box for person in people]))

    def _values(self, people: list[Person]) -> Floats:
        """Return x, y and score, [N, joints, 3]."""
        rows = [person.numbers for person in people]
        count = 3 * self.joints
        if (
            all(type(row) is list and len(row) == count for row in rows)
            and {*map(type, chain.from_iterable(rows))} <= _NUMBERS
        ):
            try:
                return np.array(rows, dtype=np.float64).reshape(len(rows), self.joints, 3)
            except OverflowError:
                pass
        raise self._explain(people)

    def _explain(self, people: list[Person]) -> PoseplugError:
        for person in people:
            where = f"'{self.path}', {person.place}"
            expected = f"expected {3 * self.joints} numbers: x, y and score of {self.joints} joints"
            if type(person.numbers) is not list:
                return PoseplugError(f"{where}: {expected}, found {shown(person.numbers)}; write the file again.")
            if len(person.numbers) != 3 * self.joints:
                return PoseplugError(
                    f"{where}: {expected} as the first person has, found {len(person.numbers)}; give people with "
                    "different joints files of their own."
                )
            for index, number in enumerate(person.numbers):
                if type(number) not in _NUMBERS or (type(number) is int and abs(number) > 1e308):
                    joint = self.skeleton.joints[index // 3] if index < 3 * self.skeleton.num_joints else index // 3
                    what = ("x", "y", "score")[index % 3]
                    return PoseplugError(
                        f"{where}: {what} of joint {joint} is {shown(number)} where a number is expected; "
                        "write the file again."
                    )
        raise AssertionError("only called for people with a fault")


def open_people(
    name: str,
    path: Path,
    people: Callable[[], Iterator[Person]],
    known: Mapping[int, Skeleton],
    asked: Skeleton | None,
    scale: Size | None = None,
) -> PeopleFile:
    """Return a file whose skeleton follows from how many joints its first person has.

    Args:
        name: of the format.
        path: the file or folder.
        people: gives its people, from the first.
        known: skeletons of the format, by the number of joints; those that have fewer are their first ones. The first
            is that of a file without people.
        asked: the skeleton that the user asked for, instead.
        scale: as in ``PeopleFile``.

    Raises:
        PoseplugError: the first person's joints fit neither.
    """
    first = next(people(), None)
    if first is None:
        skeleton = asked or next(iter(known.values()))
        return PeopleFile(name, path, skeleton, people, skeleton.num_joints, scale)
    if type(first.numbers) is not list or not first.numbers or len(first.numbers) % 3:
        raise PoseplugError(
            f"'{path}', {first.place}: expected a list of x, y and score of each joint, found {shown(first.numbers)}; "
            f"if this is not {name}, say what it is with --format."
        )
    count = len(first.numbers) // 3
    return PeopleFile(name, path, fitting(path, count, known, asked), people, count, scale)


def fitting(path: Path, count: int, known: Mapping[int, Skeleton], asked: Skeleton | None) -> Skeleton:
    """Return the skeleton of files with so many joints: the one asked for, if it fits, else the known one.

    Raises:
        PoseplugError: it does not fit, or none is known.
    """
    if asked is None:
        if count in known:
            return known[count]
        counts = ", ".join(f"{n} ({skeleton.name})" for n, skeleton in known.items())
        raise PoseplugError(
            f"'{path}': its people have {count} joints{f'; known are {counts}' if counts else ''}. Say which joints "
            "these are with --skeleton: a name or a TOML file."
        )
    if asked.num_joints != count and not (count in known and known[count].num_joints == asked.num_joints):
        raise PoseplugError(
            f"'{path}': its people have {count} joints, the skeleton '{asked.name}' has {asked.num_joints}. Give the "
            "skeleton that the file was written in."
        )
    return asked


def detections(
    path: Path,
    skeleton: Skeleton,
    values: npt.NDArray[np.floating[Any]],
    *,
    frame: npt.NDArray[np.int64],
    track: npt.NDArray[np.int64],
    size: npt.NDArray[np.floating[Any]],
    place: Callable[[int], str],
    scale: Size | None = None,
) -> Detections:
    """Return detections of x, y and score [N, J, 3]: what is NaN or has no score is missing, scores are clipped.

    Args:
        path: the file, for messages.
        skeleton: of the J joints.
        values: of N people; coordinates in pixels, or shares of the image with ``scale``.
        frame, track: [N].
        size: [N, 2].
        place: says where in the file a row stands.
        scale: as in ``PeopleFile``.

    Raises:
        PoseplugError: a coordinate or score is infinite, or a coordinate absurd; names frame and joint.
    """
    joints, score = values[..., :2], values[..., 2]
    # Shares of the image go a little beyond it at most.
    largest = 10.0 if scale else _ABSURD
    wrong = (np.abs(joints) > largest).any(-1) | np.isinf(score)
    if wrong.any():
        row, joint = (int(index[0]) for index in np.nonzero(wrong))
        x, y, of = (float(number) for number in values[row, joint])
        expected = "shares of the image's width and height, mostly 0 to 1" if scale else "pixels"
        raise PoseplugError(
            f"'{path}', {place(row)}, frame {int(frame[row])}: joint {skeleton.joints[joint]} is at ({x:g}, {y:g}) "
            f"with score {of:g}; expected {expected} and a finite score. Write the file again."
        )
    missing = np.isnan(joints).any(-1) | ~(score > 0)
    pixels = joints * np.array(scale, dtype=np.float64) if scale else joints
    return Detections(
        joints=torch.from_numpy(np.where(missing[..., None], 0, pixels).astype(np.float32)),
        confidence=torch.from_numpy(np.where(missing, 0, np.clip(score, 0, 1)).astype(np.float32)),
        frame=torch.from_numpy(np.array(frame, dtype=np.int64)),
        track=torch.from_numpy(np.array(track, dtype=np.int64)),
        size=torch.from_numpy(np.array(size, dtype=np.float32)),
    )
