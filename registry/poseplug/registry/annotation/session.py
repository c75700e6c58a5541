"""One sitting of annotating: the images, what is known of them, and what the page asks of the lifter and the disk."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.annotation.body_limits import BodyLimits
from poseplug.registry.annotation.fit import fit_to_2d
from poseplug.registry.annotation.folder import AnnotationFolder
from poseplug.registry.annotation.images import ImageFile
from poseplug.registry.annotation.lifter import FirstPose
from poseplug.registry.annotation.people import CONFIDENCE, Annotated, Person, changes, read_focal, read_person
from poseplug.registry.annotation.pose_file import InputFiles, Written, camera_of, write_annotations

# By how many radians bones may well be turned from a pose that a hand has corrected; from a lifter's it is more.
_BY_HAND = 0.1


class Refused(Exception):
    """The page knows an older state of an image than there is, which is ``known``."""

    def __init__(self, known: Annotated) -> None:
        super().__init__(known.name)
        self.known = known


class Session:
    """What is annotated, by one page or several.

    Args:
        images: those that are shown.
        folder: where it is kept.
        out: the posefile.
        first: lifts what is marked.
        focal: for each image the focal length to begin with, pixels.
        limits: what joints can do; None: anything.

    Raises:
        PoseplugError: what the folder holds of an image is damaged, or is of an image of another size.
    """

    def __init__(
        self,
        images: Sequence[ImageFile],
        folder: AnnotationFolder,
        out: Path,
        first: FirstPose,
        focal: Sequence[float],
        limits: BodyLimits | None = None,
    ) -> None:
        self.images, self.out, self.first = tuple(images), out, first
        self._folder, self._limits = folder, limits
        self._inputs = InputFiles(images)
        self._known = {known.name: known for known in folder.every()}
        # Who changed an image last, and with which of their messages: a page's messages may overtake each other.
        self._writers: dict[str, tuple[str, int]] = {}
        self._lock, self._computing, self._saving = threading.Lock(), threading.Lock(), threading.Lock()
        for image, pixels in zip(images, focal, strict=True):
            known = self._known.setdefault(image.name, Annotated(name=image.name, size=image.size, focal=pixels))
            if known.size != image.size:
                raise PoseplugError(
                    f"'{image.path}' has {_by(image.size)} pixels, and was annotated when it had {_by(known.size)}. "
                    f"Restore it, or choose another --out."
                )

    @property
    def skeleton(self) -> Skeleton:
        return self._folder.skeleton

    def about(self) -> dict[str, Any]:
        """Return what the page has to know, ready for JSON."""
        skeleton = self.skeleton
        return {
            "skeleton": {
                "joints": skeleton.joints,
                "parents": skeleton.parent_index,
                "root": skeleton.root,
                "bones": skeleton.bones,
                "sides": skeleton.bone_sides,
            },
            "images": [self._known[image.name].told() for image in self.images],
            "lifter": self.first.run,
            "out": str(self.out),
        }

    def state(self, number: int) -> Annotated:
        """Return what is known of an image."""
        return self._known[self.images[number].name]

    def change(self, number: int, told: Mapping[str, Any]) -> Annotated:
        """Take what a page says of an image; when this returns, it is on the disk.

        Args:
            number: of the image.
            told: ``people``, ``focal`` and ``done``; ``version``, which the page began from; and ``writer`` and
                ``sequence``, which tell the page's messages apart.

        Raises:
            Refused: somebody else has changed the image since that version.
            ValueError, TypeError, KeyError: it is something else.
            PoseplugError: it cannot be written.
        """
        made = changes(told, self.skeleton.num_joints)
        writer, sequence, version = str(told["writer"])[:64], int(told["sequence"]), int(told["version"])
        with self._lock:
            known = self.state(number)
            last_writer, last = self._writers.get(known.name, ("", -1))
            if writer == last_writer and sequence <= last:
                return known  # A later message of the same page came first.
            if writer != last_writer and version != known.version:
                raise Refused(known)
            changed = attrs.evolve(known, version=known.version + 1, **made)
            self._folder.write(changed)
            self._known[known.name] = changed
            self._writers[known.name] = (writer, sequence)
            return changed

    def begin_with(self, people: Mapping[int, Sequence[Person]]) -> int:
        """Put people into images that have none and were never changed; return how many."""
        count = 0
        for number, some in people.items():
            known = self.state(number)
            if not known.version and some:
                self._known[known.name] = attrs.evolve(known, people=tuple(some), version=1)
                self._folder.write(self._known[known.name])
                count += len(some)
        return count

    def fit(self, number: int, told: Mapping[str, Any]) -> dict[str, Any]:
        """Fit a person's pose to what is marked.

        Args:
            number: of the image.
            told: the ``person``; the ``focal`` length; ``anew``, whether to begin from what the lifter says although
                there is a pose.

        Returns:
            the ``reason`` why nothing fits; or pose [J, 3]; error_px, the mean distance from marked joints; beyond, for
            each bone that is turned further than joints can the joint at its end, and degrees.

        Raises:
            ValueError, TypeError, KeyError: it is something else.
        """
        person = read_person(told["person"], self.skeleton.num_joints)
        camera = camera_of(attrs.evolve(self.state(number), focal=read_focal(told["focal"])))
        joints = torch.tensor([person.joints], dtype=torch.float32)
        weights = torch.tensor(CONFIDENCE)[torch.tensor([person.seen])]
        with self._computing:
            if person.pose is None or told["anew"] is True:
                try:
                    start, options = self.first(joints, weights, camera), {}
                except PoseplugError as error:
                    return {"reason": str(error)}
            else:
                start, options = torch.tensor([person.pose]), {"turns": _BY_HAND} if person.by_hand else {}
            fitted = fit_to_2d(joints, weights, start, camera, self.skeleton, self._limits, **options)
            beyond = [] if self._limits is None else self._limits.beyond(fitted.joints_3d[0])
        if not bool(torch.isfinite(fitted.joints_3d).all()):
            return {"reason": "No pose fits joints that are marked like this; look at where they are."}
        pose = [[round(value, 5) for value in row] for row in fitted.joints_3d[0].tolist()]
        return {"pose": pose, "error_px": round(float(fitted.error_px), 3), "beyond": beyond}

    def save(self) -> Written:
        """Write the posefile, also of images that are not shown this time; raise PoseplugError if it cannot be."""
        with self._saving:
            with self._lock:
                every = [self._known[name] for name in sorted(self._known)]
            inputs = self._inputs.of({image.name for image in every if image.people})
            return write_annotations(self.out, every, self.skeleton, self.first.run, inputs)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
