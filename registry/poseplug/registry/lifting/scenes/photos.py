"""Pictures, for models that read images: each a scene in which nobody is known yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.detection.crops import CropMaps, Size, take_crops
from poseplug.core.detection.images import SUFFIXES, image_files, read_image
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import InputProvider
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.lifting.spool import Array
from poseplug.registry.lifting.views.cameras import CameraRule

_IMAGES = 8


@attrs.define(eq=False)
class Photos:
    """A picture, or a folder of them.

    Attributes:
        path: as the user says it.
        files: the pictures with the numbers of their frames.
        format: for messages.
        fps: nobody knows.
        progress: is told how many of how many pictures are done.
    """

    path: Path
    files: Sequence[tuple[int, Path]]
    format: str = "images"
    fps: float | None = None
    progress: Callable[[int, int], None] = lambda done, total: None

    @classmethod
    def of(cls, path: Path) -> Photos:
        """Open pictures; PoseplugError where there is none, see ``image_files``."""
        return cls(path, image_files(path))

    @staticmethod
    def are_at(path: Path) -> bool:
        """Say whether a path is a picture, or a folder with pictures and without key points."""
        if not path.is_dir():
            return path.is_file() and path.suffix.lower() in SUFFIXES
        try:
            suffixes = {child.suffix.lower() for child in path.iterdir()}
        except OSError:  # whoever opens it says why
            return False
        return bool(suffixes & {*SUFFIXES}) and ".json" not in suffixes

    def refused(self) -> PoseplugError:
        """Return what to say where a run cannot find people in pictures."""
        return PoseplugError(
            f"'{self.path}' holds pictures, and this run reads key points; say with --detector who finds them."
        )

    def scenes(self, rule: CameraRule, skeleton: Skeleton, canvas: Size) -> Iterator[tuple[Array, PoseBatch]]:
        """Give the pictures some at a time: the numbers of their frames [S], and a batch of scenes without people.

        Args:
            rule: says which cameras took them.
            skeleton: of the batch.
            canvas: height and width of what pictures are letterboxed into.

        Raises:
            PoseplugError: a picture cannot be read.
        """
        for start in range(0, len(self.files), _IMAGES):
            some = self.files[start : start + _IMAGES]
            images = [read_image(path) for _, path in some]
            sizes = torch.tensor([[float(image.shape[2]), float(image.shape[1])] for image in images])
            camera = rule.cameras(sizes)
            scenes = Scenes(camera, torch.stack([letterboxed(image, canvas) for image in images]), most=0)
            nobody = torch.zeros(0, dtype=torch.int64)
            keypoints = torch.zeros(0, skeleton.num_joints, 2)
            batch = PoseBatch(skeleton, keypoints, camera.select(nobody), scene=nobody, scenes=scenes)
            yield np.array([frame for frame, _ in some]), batch
            self.progress(start + len(some), len(self.files))


def letterboxed(image: Tensor, canvas: Size) -> Tensor:
    """Return an image [3, h, w] uint8 in the middle of a canvas of H x W, as a ``Letterbox`` fits it, black around."""
    height, width = image.shape[1:]
    whole = CropMaps.of_boxes(torch.tensor([[0.0, 0.0, width, height]]), canvas)
    return take_crops(image, whole, canvas)[0].mul(255).round().to(torch.uint8)


def check_key_points(model: LiftingModel) -> None:
    """Raise PoseplugError if a model reads something that is made of images and of nothing else."""
    makers: dict[str, list[InputProvider]] = {}
    for name, provider in model.inputs.providers.items():
        makers.setdefault(provider.provides or name, []).append(provider)
    made = [name for name, of in makers.items() if all("image" in each.needs for each in of)]
    if made:
        raise PoseplugError(
            f"This run makes '{made[0]}' of images, and key points are none; give it a picture or a folder of them, "
            "without --detector."
        )


def canvas_of(model: LiftingModel) -> Size | None:
    """Return height and width of the images that a model reads; None where it reads none.

    Raises:
        PoseplugError: what reads them does not say how large they are.
    """
    readers = [each for each in model.inputs.providers.values() if "image" in each.needs]
    if not readers:
        return None
    canvas: Size | None = getattr(readers[0], "canvas", None)
    if canvas is None:
        raise PoseplugError(
            f"{type(readers[0]).__name__} reads images and does not say of which size; its plugin must give it a "
            "'canvas' of height and width."
        )
    return canvas
