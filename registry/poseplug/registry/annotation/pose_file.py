"""Annotations as a posefile, which the source ``posefile`` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import attrs
import torch

from poseplug.core import __version__
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_writer import write_pose_file
from poseplug.core.data.stored_poses import About, InputFile, StoredPoses
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.annotation.folder import MADE_BY
from poseplug.registry.annotation.images import ImageFile
from poseplug.registry.annotation.people import CONFIDENCE, Annotated, Person


@attrs.frozen
class Written:
    """What came of writing: how many people of how many images, with poses or not, and who was left out."""

    people: int
    images: int
    with_poses: bool
    left_out: int

    def in_words(self, out: Path) -> str:
        """Return a sentence on it."""
        if not self.people:
            return "Nobody is annotated yet, so no posefile was written."
        what = "2D and 3D" if self.with_poses else "2D only"
        without = f"; {self.left_out} without a pose left out" * bool(self.left_out)
        who = f"{_counted(self.people, 'person', 'people')} in {_counted(self.images, 'image', 'images')}"
        return f"{who} ({what}) written to {out}{without}."


def camera_of(annotated: Annotated, n: int = 1) -> Camera:
    """Return n times the camera of an image: its focal length, and the middle of the image."""
    width, height = annotated.size
    return Camera.shared(n, (annotated.focal,) * 2, (width / 2, height / 2), (width, height))


def write_annotations(
    out: Path, every: Sequence[Annotated], skeleton: Skeleton, run: str, inputs: Sequence[InputFile]
) -> Written:
    """Write all people of whom a joint is marked; those without a pose only if nobody has one.

    Of missing joints, ``joints_2d`` is where the pose is seen, or the nearest joint that is marked. Confidences are 1
    of joints that are seen, 0.5 of hidden and 0 of missing ones. Label "image" is the image's name, "person" the place
    in it; scene and frame number the images.

    Raises:
        PoseplugError: the file cannot be written.
    """
    marked = {image.name: [person for person in image.people if any(person.seen)] for image in every}
    with_poses = any(person.pose for people in marked.values() for person in people)
    kept = {name: [p for p in people if p.pose or not with_poses] for name, people in marked.items()}
    images = [image for image in every if kept[image.name]]
    count = sum(len(kept[image.name]) for image in images)
    left_out = sum(map(len, marked.values())) - count
    if count:
        most = max(len(kept[image.name]) for image in images)
        about = About(
            skeleton=skeleton,
            label_names={
                "image": tuple(image.name for image in images),
                "person": tuple(str(number) for number in range(most)),
            },
            made_by=f"{MADE_BY}, lifter {run}",
            made_with={"poseplug": __version__},
            inputs=tuple(inputs),
        )
        batches = (_people(image, kept[image.name], number, skeleton) for number, image in enumerate(images))
        write_pose_file(out, batches, about, count)
    return Written(count, len(images), with_poses, left_out)


def _people(image: Annotated, people: Sequence[Person], number: int, skeleton: Skeleton) -> StoredPoses:
    n, camera = len(people), camera_of(image, len(people))
    marks = torch.tensor([person.joints for person in people], dtype=torch.float32)
    seen = torch.tensor([person.seen for person in people])
    poses = None
    if all(person.pose for person in people):
        poses = torch.tensor([person.pose for person in people], dtype=torch.float32)
        marks = torch.where((seen > 0)[..., None], marks, camera.project(poses))
    else:
        marks = put_missing(marks, seen > 0, skeleton)
    which = torch.full((n,), number)
    batch = PoseBatch(skeleton, marks, camera, poses, scene=which, labels={"image": which, "person": torch.arange(n)})
    return StoredPoses(batch, confidence=torch.tensor(CONFIDENCE)[seen], frame=which)


class InputFiles:
    """The images as inputs of a posefile; each is read again only when it has changed."""

    def __init__(self, images: Sequence[ImageFile]) -> None:
        self._images = images
        self._known: dict[tuple[str, int, int], InputFile] = {}

    def of(self, names: set[str]) -> list[InputFile]:
        """Return those of some images; of those that are gone, none."""
        return [file for image in self._images if image.name in names and (file := self._one(image)) is not None]

    def _one(self, image: ImageFile) -> InputFile | None:
        try:
            stat = image.path.stat()
            key = (image.name, stat.st_size, stat.st_mtime_ns)
            if key not in self._known:
                with image.path.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
                self._known[key] = InputFile(image.name, stat.st_size, digest)
            return self._known[key]
        except OSError:
            return None


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
