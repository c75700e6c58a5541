"""People whose joints somebody has marked in images: what detectors are trained and measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.detection.boxes import image_names
from poseplug.core.detection.crops import CropMaps, Size, take_crops
from poseplug.core.detection.images import read_image
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.open_keypoints import open_keypoints

# Around the joints, where nobody has drawn a box, so much larger than they reach.
_ROOM = 1.25
_KEPT_BYTES = 512 << 20


@attrs.frozen(eq=False)
class LabelledPeople:
    """N people in images, with their boxes and joints; tensors on the CPU.

    Attributes:
        skeleton: the layout of the joints.
        pictures: the files, or images [3, h, w] uint8 that are in memory.
        image: [N] which picture each is in.
        joints: [N, J, 2] pixels.
        visible: [N, J] bool, whether a joint is marked.
        box: [N, 4] left, top, width, height in pixels.
    """

    skeleton: Skeleton
    pictures: Sequence[Path | Tensor]
    image: Tensor
    joints: Tensor
    visible: Tensor
    box: Tensor
    _kept: dict[int, Tensor] = attrs.field(factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.image)

    def crops(self, rows: Tensor, maps: CropMaps, size: Size, device: torch.device) -> Tensor:
        """Return crops [n, 3, H, W] of some people, by maps of n crops, on a device."""
        crops = torch.empty(len(rows), 3, *size, device=device)
        pictures = self.image[rows]
        for number in sorted({*pictures.tolist()}):
            of_picture = (pictures == number).nonzero()[:, 0]
            crops[of_picture.to(device)] = take_crops(
                self.picture(number).to(device), maps.select(of_picture).to(device), size
            )
        return crops

    def picture(self, number: int) -> Tensor:
        """Return a picture [3, h, w] uint8; the first of them stay in memory, up to half a gigabyte."""
        picture = self.pictures[number]
        if isinstance(picture, Tensor):
            return picture
        found = self._kept.get(number)
        if found is None:
            found = read_image(picture)
            if (len(self._kept) + 1) * found.numel() <= _KEPT_BYTES:
                self._kept[number] = found
        return found

    def batches(self, size: int) -> Iterator[Tensor]:
        """Give the rows of all people in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield torch.arange(start, min(start + size, len(self)))


def read_labels(
    path: Path,
    folder: Path,
    *,
    skeleton: Skeleton | None = None,
    layout: Skeleton | None = None,
    made: Mapping[str, Any] = {},
) -> LabelledPeople:
    """Return the people of a file of annotations as COCO's; crowds and people without joints are left out.

    Args:
        path: the file.
        folder: where its images are, by their file names.
        skeleton: the layout of the file, where it does not say.
        layout: the layout wanted; None: the file's own.
        made: how some joints of that layout are made, as ``map_layout`` takes it.

    Raises:
        PoseplugError: the file is damaged or has nobody; an image is not there; joints cannot be made.
    """
    file = open_keypoints(path, format="coco", skeleton=skeleton)
    target = layout or file.skeleton
    mapping = map_layout(file.skeleton, target, made)
    mapping.check_complete()
    found = [*file.chunks()]
    if not sum(map(len, found)):
        raise PoseplugError(f"'{path}' has annotations of nobody; expected people with key points.")
    people = Detections.join(found)
    joints, confidence = mapping.found(people.joints, people.confidence)
    numbers, image = torch.unique(people.frame, return_inverse=True)
    pictures = labelled_pictures(path, folder, numbers.tolist())
    visible = confidence > 0
    box = people.box if people.box is not None else torch.zeros(len(people), 4)
    return LabelledPeople(target, pictures, image, joints, visible, _boxes(box, joints, visible))


def labelled_pictures(path: Path, folder: Path, numbers: Sequence[int]) -> list[Path]:
    """Return the pictures that a file of annotations as COCO's numbers, in a folder.

    Args:
        path: the file.
        folder: where its images are, by their file names.
        numbers: which of them, by their ids.

    Raises:
        PoseplugError: the file is damaged; one has no name there, or is not in the folder.
    """
    names = image_names(path)
    unnamed = [number for number in numbers if number not in names]
    if unnamed:
        raise PoseplugError(f"'{path}': image {unnamed[0]} has people, and is not among 'images' with a file_name.")
    pictures = [folder / names[number] for number in numbers]
    missing = [picture for picture in pictures if not picture.is_file()]
    if missing:
        raise PoseplugError(
            f"{len(missing)} of {len(pictures)} images of '{path}' are not there, such as '{missing[0]}'; give the "
            "folder that its file names begin in."
        )
    return pictures


def _boxes(given: Tensor, joints: Tensor, visible: Tensor) -> Tensor:
    """Return boxes [N, 4]: those that are given, else around the joints that are marked."""
    far = torch.finfo(joints.dtype).max / 4
    low = torch.where(visible[..., None], joints, far).amin(1)
    high = torch.where(visible[..., None], joints, -far).amax(1)
    sides = (high - low) * _ROOM
    around = torch.cat([(low + high + 1 - sides) / 2, sides], dim=1)
    return torch.where((given[:, 2:] > 0).all(1, keepdim=True), given, around)
