"""The source ``coco``: people whose 2D key points were annotated in images, in the format of COCO.

https://cocodataset.org/#format-data. There are no 3D joints, and nobody knows the cameras: the focal length follows
from a field of view that is said, the principal point is the middle of the image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import LAYOUTS, layout
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.open_keypoints import open_keypoints
from poseplug.core.settings import REQUIRED, setting
from poseplug.core.sources.pose_table import PoseTable
from poseplug_datasets.scene_images import SceneImages, canvas_size

_SKELETONS = ("coco17", "h36m16", "h36m17", "panoptic15")
# A person who stands, as shares of their height, from the left top corner of their box; in COCO's order.
_STANDING = (
    *((0.25, 0.06), (0.27, 0.04), (0.23, 0.04), (0.29, 0.05), (0.21, 0.05), (0.34, 0.18), (0.16, 0.18)),
    *((0.39, 0.35), (0.11, 0.35), (0.40, 0.50), (0.10, 0.50), (0.30, 0.50), (0.20, 0.50)),
    *((0.31, 0.74), (0.19, 0.74), (0.31, 0.97), (0.19, 0.97)),
)


@attrs.frozen(kw_only=True)
class CocoSettings:
    """Which people are taken, and what is assumed of their cameras."""

    path: str = setting(REQUIRED, "a file of annotations, such as person_keypoints_train2017.json", path=True)
    skeleton: str = setting("auto", "layout of the poses; auto: the run's, or coco17", choices=("auto", *_SKELETONS))
    missing: str = setting(
        "drop",
        "people of whom a joint is missing: drop them, put the joint on the nearest one that is there, or hide it, as "
        "no number, from parts that know what to do with that",
        choices=("drop", "put", "hide"),
    )
    whole_scenes: bool = setting(
        False, "draw images with all who were taken of those in them, instead of people one by one"
    )
    images: str = setting(
        "",
        "folder of the images, if parts are to see them; implies whole_scenes. Each is read when it is drawn",
        path=True,
    )
    canvas: tuple[int, ...] = setting(
        (512, 960), "height and width of what images are fitted into", unit="pixels", check=canvas_size
    )
    min_size: float = setting(32.0, "the longer side of the smallest people, by their joints", unit="pixels", above=0)
    field_of_view: float = setting(
        0.96, "assumed of cameras, over the longer side of the image", unit="rad", above=0, maximum=3.0
    )


class Coco(PoseTable):
    """The people of a file of annotations in the order of the file; crowds are left out.

    Raises:
        PoseplugError: no such file, a damaged one, an image without a size or one that is not there, or nobody who was
            asked for.
    """

    Config = CocoSettings
    measured_2d = True
    has_images = True

    def __init__(self, config: CocoSettings, context: BuildContext) -> None:
        skeleton = _layout(config, context)
        people = list(_people(config, skeleton))
        if not people:
            raise PoseplugError(
                f"'{config.path}' has nobody of {config.min_size:g} pixels or more"
                + (" of whom every joint is there" if config.missing == "drop" else "")
                + f" (skeleton {skeleton.name}); try missing=put or a smaller min_size=."
            )
        # A scene is an image. People of one may be far apart in the file, and numbers of images are, too.
        images = torch.cat([some.scene for some in people if some.scene is not None])  # given below, to all
        numbers, scene = torch.unique(images, return_inverse=True)
        poses = attrs.evolve(PoseBatch.join([some.alone() for some in people]), scene=scene).to(context.device)
        whole, canvas = config.whole_scenes or bool(config.images), config.canvas
        super().__init__(poses.gathered() if whole else poses)
        self.has_images = bool(config.images)
        if self.has_images:
            self._images = SceneImages.of_file(Path(config.path), Path(config.images), numbers.tolist(), canvas)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        if not self.has_images:
            return super().sample(n, generator)
        return self._shown(torch.randint(len(self), (n,), generator=generator, device=self.poses.device))

    def batches(self, size: int) -> Iterator[PoseBatch]:
        if not self.has_images:
            yield from super().batches(size)
            return
        for start in range(0, len(self), size):
            yield self._shown(torch.arange(start, min(start + size, len(self)), device=self.poses.device))

    def _shown(self, index: Tensor) -> PoseBatch:
        """Return scenes [K] with their images."""
        batch = self.poses.select_scenes(index)
        scenes = batch.places
        return attrs.evolve(batch, scenes=attrs.evolve(scenes, image=self._images.read(index.tolist(), scenes.camera)))

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write annotations of a few people into a folder and return settings that read them."""
        path = folder / "person_keypoints.json"
        path.write_text(json.dumps(_example(12)), encoding="utf-8")
        return {"path": str(path)}


def _layout(config: CocoSettings, context: BuildContext) -> Skeleton:
    if config.skeleton != "auto":
        return layout(config.skeleton)
    run = context.skeleton
    return run if run is not None and run in [LAYOUTS[name] for name in _SKELETONS] else LAYOUTS["coco17"]


def _people(config: CocoSettings, skeleton: Skeleton) -> Iterator[PoseBatch]:
    """Give the people that were asked for, in pieces of the file."""
    file = open_keypoints(Path(config.path), format="coco")
    mapping = map_layout(file.skeleton, skeleton)
    mapping.check_complete()
    frames = 0
    for found in file.chunks():
        _check_sizes(found, config.path)
        joints, confidence = mapping.found(found.joints, found.confidence)
        there = confidence > 0
        large = _size(found.joints, found.confidence > 0) >= config.min_size
        large &= _size(joints, there) >= config.min_size
        wanted = large & there.all(1) if config.missing == "drop" else large
        frames += len(found)
        if bool(wanted.any()):
            placed = put_missing(joints, there, skeleton)
            if config.missing == "hide":
                placed = torch.where(there[..., None], joints, torch.nan)
            yield _batch(skeleton, placed[wanted], found.select(wanted), config.field_of_view)
    if not frames:
        raise PoseplugError(f"'{config.path}' has annotations of nobody; expected people with key points.")


def _batch(skeleton: Skeleton, joints: Tensor, found: Detections, field_of_view: float) -> PoseBatch:
    focal = found.size.amax(1, keepdim=True) / (2 * math.tan(field_of_view / 2))
    camera = Camera(focal.expand(-1, 2), found.size / 2, found.size)
    origin = torch.full((len(joints),), int(Origin.CAPTURED), dtype=torch.uint8)
    return PoseBatch(skeleton, joints, camera, scene=found.frame, origin=origin)


def _size(joints: Tensor, there: Tensor) -> Tensor:
    """Return the longer side [N] of the box about the joints that are there; negative where none is."""
    far = torch.finfo(joints.dtype).max / 4
    low = torch.where(there[..., None], joints, far).amin(1)
    high = torch.where(there[..., None], joints, -far).amax(1)
    return (high - low).amax(1)


def _check_sizes(found: Detections, path: str) -> None:
    without = (found.size <= 0).any(1)
    if bool(without.any()):
        image = int(found.frame[without][0])
        raise PoseplugError(f"'{path}': nothing says how large image {image} is; its 'images' need width and height.")


def _example(people: int) -> dict[str, object]:
    def keypoints(number: int) -> list[float]:
        height, left, top = 200.0 + 15 * number, 20.0 + 7 * number, 10.0 + 3 * number
        return [value for x, y in _STANDING for value in (left + x * height, top + y * height, 2)]

    annotations = [
        {"id": i, "image_id": i // 2, "category_id": 1, "iscrowd": 0, "num_keypoints": 17, "keypoints": keypoints(i)}
        for i in range(people)
    ]
    images = [{"id": i, "width": 640, "height": 480} for i in range((people + 1) // 2)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
