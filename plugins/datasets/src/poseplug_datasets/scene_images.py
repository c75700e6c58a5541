"""Images of scenes, in letterboxes of one size; read when they are asked for, so that memory holds one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from poseplug.core.detection.crops import letterboxed
from poseplug.core.detection.images import read_image
from poseplug.core.detection.labels import labelled_pictures
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera


def canvas_size(value: tuple[int, ...]) -> str | None:
    """Say what is wrong with a size of letterboxes: a ``check`` of settings."""
    return None if len(value) == 2 and min(value) > 0 else f"must be height and width, got {list(value)}"


class SceneImages:
    """A picture for each scene.

    Args:
        pictures: the files.
        canvas: height and width of the letterboxes.
    """

    def __init__(self, pictures: Sequence[Path], canvas: tuple[int, ...]) -> None:
        self.pictures = pictures
        self.canvas = (canvas[0], canvas[1])

    @classmethod
    def of_file(cls, path: Path, folder: Path, numbers: Sequence[int], canvas: tuple[int, ...]) -> Self:
        """Return the images that a file of annotations as COCO's numbers, in a folder.

        Raises:
            PoseplugError: the file is damaged, or an image is not in the folder.
        """
        return cls(labelled_pictures(path, folder, numbers), canvas)

    def read(self, index: Sequence[int], camera: Camera) -> Tensor:
        """Return the images [K, 3, H, W] uint8 of some scenes, on the device of their cameras.

        Raises:
            PoseplugError: an image is damaged, or not as large as its camera says.
        """
        device = camera.size.device
        images = torch.empty(len(index), 3, *self.canvas, dtype=torch.uint8, device=device)
        sizes = camera.size.long().tolist()
        for place, (scene, (width, height)) in enumerate(zip(index, sizes, strict=True)):
            image = read_image(self.pictures[scene])
            if image.shape[1:] != (height, width):
                raise PoseplugError(
                    f"'{self.pictures[scene]}' is {image.shape[2]} x {image.shape[1]} pixels, and its annotations say "
                    f"{width} x {height}; give the images that were annotated."
                )
            images[place] = letterboxed(image.to(device), self.canvas)
        return images
