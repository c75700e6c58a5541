"""How far away is each person that is given? What the baselines of Sec. 3.1 have in common.

As in the paper they are told where people are in the image, by true boxes or true 2D roots, so that what is compared is
depth alone. The paper's read images; these read the same maps as VirtualPose's own networks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import BuildContext, RootEstimator
from poseplug_virtualpose.maps import MAPS, Maps


@attrs.frozen(eq=False)
class Given:
    """N people on the canvases of S scenes.

    Attributes:
        maps: of the scenes.
        scene: [N] int64, each person's scene.
        place: [N, 2] where the root is, cells.
        low, high: [N, 2] left top and right bottom corner of the box, cells.
        focal: [N] focal length of the camera, cells.
    """

    maps: Maps
    scene: Tensor
    place: Tensor
    low: Tensor
    high: Tensor
    focal: Tensor

    @classmethod
    def of(cls, root: int, *, maps: Maps, scene: Tensor, joints_2d: Tensor, boxes: Tensor, **_: Any) -> Self:
        """Return the people of key points [N, J, 2] and boxes [N, 4] (left, top, right, bottom), both in pixels."""
        pixels = torch.cat([joints_2d[:, root, None], boxes.view(-1, 2, 2)], 1)
        place, low, high = maps.letterbox.place(pixels, scene).unbind(1)
        return cls(maps, scene, place, low, high, maps.focal[scene])

    @property
    def side(self) -> Tensor:
        """[N] the longer side of the box, cells; at least one, also of a person beside the picture."""
        return (self.high - self.low).amax(-1).clamp_min(1.0)

    @property
    def middle(self) -> Tensor:
        """[N, 2] the middle of the box, cells."""
        return (self.low + self.high) / 2

    def boxed(self, x: Tensor, y: Tensor) -> Tensor:
        """Say of places x, y, both [N, H, W] or [1, H, W] cells, whether they are in each person's box, [N, H, W]."""
        left, top, right, bottom = torch.cat([self.low, self.high], -1)[:, :, None, None].unbind(1)
        return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


class GivenPeopleRoot(RootEstimator):
    """The root is where it is seen, as far away as ``depth`` says; trained by the error of the depth."""

    reads = frozenset({MAPS, "joints_2d", "boxes", "camera", "scene"})

    def __init__(self, context: BuildContext) -> None:
        super().__init__()
        self.root = context.layout.root

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a narrow network, which can be tried in seconds."""
        return {"channels": 2}

    @abstractmethod
    def depth(self, given: Given) -> Tensor:
        """Return depths [N] along the camera's axis, metres."""

    def forward(self, **inputs: Any) -> Tensor:
        """Return roots [N, 3] in the camera frame, metres, for the maps, key points, boxes and cameras of people."""
        return placed(self.root, self.depth(Given.of(self.root, **inputs)), **inputs)

    def loss(self, roots: Tensor, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return the mean error of the depth of roots [N, 3], metres; of people whose root is in the picture."""
        return {"depth": mean_of((roots - batch.root)[:, 2].abs(), in_picture(batch))}


def placed(root: int, depth: Tensor, *, joints_2d: Tensor, camera: Camera, **_: Any) -> Tensor:
    """Return the points [N, 3] that are seen where the root of key points [N, J, 2] is, at depths [N]."""
    return camera.unproject(joints_2d[:, root, None], depth[:, None])[:, 0]


def in_picture(batch: PoseBatch) -> Tensor:
    """Say whose root is in the picture, [N]; of others there are no maps to learn from."""
    place = batch.joints_2d[:, batch.skeleton.root]
    return ((place >= 0) & (place < batch.camera.size)).all(-1)


def mean_of(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of the values [N] that are counted [N]; 0 where none is."""
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp_min(1)
