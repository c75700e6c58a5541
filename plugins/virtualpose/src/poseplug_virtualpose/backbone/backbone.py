"""The input ``maps``, found in images by a trained network (VirtualPose, Sec. 4.1).

Deviations from the released code: images are mirrored one by one instead of whole batches, and there is no head of
depth, which is unused there. The paper's augmentation is said to be extensive; mirroring is all that the code does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, InputProvider, Trained
from poseplug.core.settings import setting
from poseplug.core.tensors import constant
from poseplug_virtualpose.backbone.losses import box_loss, heatmap_loss, targets_of
from poseplug_virtualpose.backbone.pose_resnet import PoseResNet
from poseplug_virtualpose.backbone.resnet import DEPTHS
from poseplug_virtualpose.maps import MAPS, Maps, cells_of, multiple_of_8

# Pixels of the canvas along a side of a cell.
STRIDE = 4


def _depth(value: int) -> str | None:
    return None if value in DEPTHS else f"must be one of {', '.join(map(str, DEPTHS))}, got {value}"


def _three(value: tuple[float, ...]) -> str | None:
    return None if len(value) == 3 else f"must be three numbers, of red, green and blue; got {list(value)}"


@attrs.frozen(kw_only=True)
class BackboneSettings:
    """The network and its training; by default the paper's."""

    depth: int = setting(152, "layers of the residual network: 18, 34, 50, 101 or 152", check=_depth)
    height: int = setting(128, "rows of the maps, a fourth of the images'", unit="cells", check=multiple_of_8)
    width: int = setting(240, "columns of the maps, a fourth of the images'", unit="cells", check=multiple_of_8)
    weights: str = setting(
        "",
        "weights to begin with, such as SimpleBaseline's or torchvision's: safetensors, or a checkpoint of PyTorch's",
        path=True,
    )
    deconv_channels: int = setting(256, "channels of what maps are made of", minimum=1)
    mean: tuple[float, ...] = setting(
        (0.485, 0.456, 0.406), "subtracted from red, green and blue, which are 0 to 1; ImageNet's", check=_three
    )
    deviation: tuple[float, ...] = setting((0.229, 0.224, 0.225), "what they are divided by", check=_three, above=0)
    flip: float = setting(0.5, "share of the images that are mirrored in training", minimum=0, maximum=1)
    flip_test: bool = setting(False, "otherwise, heat maps are the mean of those of an image and its mirror image")
    heatmap_weight: float = setting(1e4, "of the mean squared error of heat maps", minimum=0)
    box_weight: float = setting(0.1, "of the mean error of boxes in cells", minimum=0)


class Backbone(InputProvider, Trained):
    """A residual network with three deconvolutions, whose maps are a fourth of an image along each side.

    Attributes:
        canvas: height and width of the images that it wants, pixels.
    """

    Config = BackboneSettings
    provides = MAPS
    needs = frozenset({"image"})
    per_scene = True
    reads = frozenset({"scenes"})
    learning_rate = 1e-4

    def __init__(self, config: BackboneSettings, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.flip, self.factors = config.flip, (config.heatmap_weight, config.box_weight)
        self.skeleton = context.layout
        self.form = (config.height, config.width)
        self.canvas = (STRIDE * config.height, STRIDE * config.width)
        self.net = PoseResNet(config.depth, self.skeleton.num_joints, config.deconv_channels)
        if config.weights and not context.weights_follow:
            self.net.take(Path(config.weights))
        self.to(context.device)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a small network, which can be tried in seconds."""
        return {"depth": 18, "height": 16, "width": 32, "deconv_channels": 8}

    def provide(self, batch: PoseBatch, **inputs: Any) -> Maps:
        """Return the Maps of a batch's S images, heat maps from 0 to 1; in training those may lie beyond.

        Raises:
            PoseplugError: the images are of another size.
        """
        scenes: Scenes = inputs["scenes"]
        images = self._pixels(scenes)
        if self.training and self.generator is not None:
            flip = torch.rand(len(images), generator=self.generator, device=images.device) < self.flip
            flip = flip[:, None, None, None]
            heatmaps, boxes = self.net.maps(torch.where(flip, images.flip(-1), images))
            mirrored = self._mirrored(heatmaps, boxes)
            heatmaps, boxes = (torch.where(flip, *pair) for pair in zip(mirrored, (heatmaps, boxes), strict=True))
        else:
            heatmaps, boxes = self.net.maps(images)
            if self.config.flip_test and not self.training:
                heatmaps = (heatmaps + self._mirrored(*self.net.maps(images.flip(-1)))[0]) / 2
        letterbox, focal = cells_of(scenes.camera, self.config.height, self.config.width)
        return Maps(heatmaps if self.training else heatmaps.clamp(0, 1), boxes, letterbox, focal)

    def loss(self, value: Maps, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return how far maps are from those of the people's 2D joints."""
        targets = targets_of(batch, value)
        return {
            "heatmaps": self.factors[0] * heatmap_loss(value, targets),
            "boxes": self.factors[1] * box_loss(value, targets),
        }

    def _pixels(self, scenes: Scenes) -> Tensor:
        if scenes.image is None:
            raise PoseplugError("Input 'backbone' finds maps in images, and these scenes have none.")
        if (size := tuple(scenes.image.shape[2:])) != self.canvas:
            raise PoseplugError(
                f"Input 'backbone' with maps of {self.config.height} x {self.config.width} wants images of "
                f"{self.canvas[0]} x {self.canvas[1]} pixels, and these have {size[0]} x {size[1]}; give the source "
                f"canvas=[{self.canvas[0]},{self.canvas[1]}], or this input height={size[0] // STRIDE} and "
                f"width={size[1] // STRIDE}."
            )
        mean, deviation = (
            constant(tuple(map(float, values)), scenes.image.device)[:, None, None]
            for values in (self.config.mean, self.config.deviation)
        )
        return (scenes.image.float() / 255 - mean) / deviation

    def _mirrored(self, heatmaps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of mirror images as those of the images: sides exchanged, left and right edges too."""
        sides, edges = (
            constant(order, heatmaps.device, torch.int64) for order in (self.skeleton.flip_index, (2, 1, 0, 3))
        )
        return heatmaps[:, sides].flip(-1), boxes[:, edges].flip(-1)
