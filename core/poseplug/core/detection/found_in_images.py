"""What a detector finds in pictures, as if it were a file of key points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.detection.boxes import Boxes, PersonBox
from poseplug.core.detection.crops import CropMaps, take_crops
from poseplug.core.detection.detector import Detector
from poseplug.core.detection.images import image_files, read_image
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections

_BATCH = 16


@attrs.define(eq=False)
class FoundInImages:
    """A ``KeypointFile`` of the people in pictures: those in boxes, or where none are given one that fills each.

    Attributes:
        format: the detector's name.
        detector: on its device.
        files: the pictures with the numbers of their frames.
        boxes: of people in them; None: one person in each, as large as the picture.
        progress: is told how many of how many pictures are done.
    """

    format: str
    detector: Detector
    files: Sequence[tuple[int, Path]]
    boxes: Boxes | None = None
    progress: Callable[[int, int], None] = lambda done, total: None
    fps: float | None = None
    skeleton: Skeleton = attrs.field(init=False, default=attrs.Factory(lambda self: self.detector.skeleton, True))

    @classmethod
    def of(cls, name: str, detector: Detector, pictures: Path, boxes: Boxes | None = None) -> FoundInImages:
        """Take a picture, or a folder of them, in the order of their names.

        Raises:
            PoseplugError: there is none; boxes are given, and none is of one of them.
        """
        files = image_files(pictures)
        if boxes is not None and not any(boxes.of(path) for _, path in files):
            raise PoseplugError(
                f"'{boxes.path}' has no boxes of '{files[0][1].name}' or any other picture here; its images must have "
                "the pictures' names, or its results the numbers in them."
            )
        return cls(name, detector, files, boxes)

    def chunks(self) -> Iterator[Detections]:
        """Give the people of some pictures at a time; see ``KeypointFile``."""
        waiting: list[tuple[Tensor, Detections]] = []
        for done, (frame, path) in enumerate(self.files, 1):
            waiting += self._people(frame, path)
            while len(waiting) >= _BATCH or (waiting and done == len(self.files)):
                yield self._found(waiting[:_BATCH])
                del waiting[:_BATCH]
            self.progress(done, len(self.files))

    def _people(self, frame: int, path: Path) -> list[tuple[Tensor, Detections]]:
        """Return the crop of each person, and what is known of them but their joints."""
        image = read_image(path)
        height, width = image.shape[1:]
        whole = PersonBox((0.0, 0.0, float(width), float(height)))
        people = [whole] if self.boxes is None else self.boxes.of(path)
        if not people:
            return []
        boxes = torch.tensor([person.box for person in people])
        crops = take_crops(image.to(self.device), CropMaps.of_boxes(boxes.to(self.device), self.crop), self.crop)
        known = Detections(
            joints=torch.zeros(len(people), self.skeleton.num_joints, 2),
            confidence=torch.zeros(len(people), self.skeleton.num_joints),
            frame=torch.full((len(people),), frame),
            track=torch.tensor([person.track for person in people]),
            size=torch.tensor([[float(width), float(height)]]).expand(len(people), 2),
            box=boxes,
        )
        return [(crops[row], known.select(slice(row, row + 1))) for row in range(len(people))]

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of the detector's crops."""
        return self.detector.crop

    @property
    def device(self) -> torch.device:
        """Where the detector is."""
        return next((tensor.device for tensor in self.detector.state_dict().values()), torch.device("cpu"))

    def _found(self, people: list[tuple[Tensor, Detections]]) -> Detections:
        known = Detections.join([each for _, each in people])
        assert known.box is not None, "given above"
        joints, confidence = self.detector.find(torch.stack([crop for crop, _ in people]))
        pixels = CropMaps.of_boxes(known.box, self.crop).to_image(joints.cpu())
        return attrs.evolve(known, joints=pixels, confidence=confidence.cpu())
