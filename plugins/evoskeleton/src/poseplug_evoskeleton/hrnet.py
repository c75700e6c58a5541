"""The detector ``hrnet``: the appearance stage A(x) of EvoSkeleton.

Li, Ke, Pratama, Tai, Tang, Cheng: Cascaded deep monocular 3D human pose estimation with evolutionary training data,
CVPR 2020 (arXiv 2006.07778), Sec. 4.1, 4.3 and 8.2. On top of HRNet's maps, a quarter of the image along each side, a
1x1 convolution makes sixteen of each and a pixel shuffle lays them out as one of full size; joints are their
soft-argmax.

Where it differs: the learning rate falls along a cosine instead of by tenths (the core's training does it for every
detector), targets of the heat maps are put between pixels unless ``rounded`` asks for the release's way, the rectifier
of the super-resolution leaks a little, and the soft-argmax has a temperature. Heat maps that were trained to peak at 1
have logits between 0 and 1, whose softmax over 110,592 pixels is all but uniform; with the paper's, of temperature 1,
joints are found only after training by coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.detection.crops import imagenet_normalised
from poseplug.core.detection.detector import Detector, Stage
from poseplug.core.detection.stored import stored_layout
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug.core.storage.weights import load_weights, take_weights
from poseplug.core.tensors import constant
from poseplug_evoskeleton.heatmaps import argmax, gaussian_maps, soft_argmax
from poseplug_evoskeleton.high_resolution import COARSEST, MODULES, STRIDE, HighResolutionNet

HEATMAPS, COORDINATES = "heatmaps", "coordinates"
# How strong maps are at first.
_FAINT = 0.1
# A map that has become zero everywhere would stay so under a plain rectifier.
_LEAK = 0.01
# What stays as it is where a file has none of it: what depends on the joints, or is not in the release.
_HEADS = ("final_layer", "super_resolution")


def _sides(value: tuple[int, ...]) -> str | None:
    if len(value) == 2 and all(side > 0 and side % COARSEST == 0 for side in value):
        return None
    return f"must be height and width, multiples of {COARSEST}, got {list(value)}"


def _modules(value: tuple[int, ...]) -> str | None:
    return None if len(value) == 3 and min(value) > 0 else f"must be three numbers of at least 1, got {list(value)}"


@attrs.frozen(kw_only=True)
class HRNetConfig:
    """Settings of HRNet; by default EvoSkeleton's."""

    weights: str = setting(
        "", "trained weights: safetensors, or a checkpoint such as the release's pose_hrnet_*.pth", path=True
    )
    width: int = setting(48, "channels of the finest branch; further ones have 2, 4 and 8 times as many", minimum=1)
    modules: tuple[int, ...] = setting(
        MODULES, "modules of the stages with 2, 3 and 4 branches; fewer make a shallower network", check=_modules
    )
    crop: tuple[int, ...] = setting((384, 288), "height and width of the crops", unit="pixels", check=_sides)
    super_resolution: bool = setting(True, "maps of the crop's size, by a pixel shuffle; the release has none")
    decode: str = setting(
        "soft", "how joints are read from maps: their mean place, or their highest", choices=("soft", "argmax")
    )
    temperature: float = setting(0.02, "of the soft-argmax; the paper's is 1, see the docs of the plugin", above=0)
    sigma: float = setting(8.0, "of the Gaussians that maps are trained to be", unit="pixels of the crop", above=0)
    rounded: bool = setting(False, "put the Gaussians' peaks on whole cells, as the release does")
    coordinate_share: float = setting(
        0.4, "share of the training that is by coordinates, the last part", minimum=0, maximum=1
    )


class HRNet(Detector):
    """HRNet with maps of full resolution and soft-argmax; trained by heat maps first, then by coordinates."""

    Config = HRNetConfig
    learning_rate = 1e-3

    def __init__(self, config: HRNetConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.skeleton = context.skeleton or _layout_of(config.weights) or LAYOUTS["coco17"]
        self.crop = (config.crop[0], config.crop[1])
        shares = {HEATMAPS: 1 - config.coordinate_share, COORDINATES: config.coordinate_share}
        self.stages = tuple(Stage(name, share) for name, share in shares.items() if share > 0)
        self._stage = self.stages[0].name
        self.net = AppearanceNet(
            config.width, self.skeleton.num_joints, config.modules, super_resolution=config.super_resolution
        )
        self.untrained = "it has no weights; say hrnet:weights=FILE, or train it with 'poseplug detector train'"
        if config.weights:
            self._take(Path(config.weights))
        self.to(context.device)

    def _take(self, path: Path) -> None:
        # Files of this detector have its own name for the network before each.
        tensors = {name.removeprefix("net."): tensor for name, tensor in load_weights(path).items()}
        taken = take_weights(self.net, tensors, _HEADS, f"The weights '{path}'")
        parts = [head for head in _HEADS if any(name.startswith(head) for name in taken.fresh)]
        self.untrained, self.notes = "", ()
        if parts:
            advice = " or say super_resolution=false" if parts == [_HEADS[1]] else ""
            self.untrained = f"'{path}' has no {' and no '.join(parts)} that fits; train it further{advice}"
            joints = self.skeleton.num_joints
            self.notes = (f"begun anew, since '{path}' has none for {joints} joints: {', '.join(parts)}",)
        if taken.left:
            self.notes += (f"not taken from '{path}': {_some(taken.left)}",)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a small network, which can be tried in seconds."""
        return {"width": 4, "crop": (64, 64)}

    def maps(self, images: Tensor) -> Tensor:
        """Return heat maps [N, J, h, w] of crops [N, 3, H, W], RGB from 0 to 1."""
        maps: Tensor = self.net(imagenet_normalised(images))
        return maps

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints [N, J, 2] in pixels of the crop and confidence [N, J], the height of their peaks."""
        maps = self.maps(images)
        return self._points(maps) * self.stride, maps.flatten(2).amax(-1).clamp(0, 1)

    @property
    def stride(self) -> int:
        """Pixels of the crop for each cell of a map; the first cell is the first pixel, as in the release."""
        return 1 if self.config.super_resolution else STRIDE

    def _points(self, maps: Tensor) -> Tensor:
        return soft_argmax(maps, self.config.temperature) if self.config.decode == "soft" else argmax(maps)

    def loss(self, images: Tensor, joints: Tensor, visible: Tensor) -> Mapping[str, Tensor]:
        """Return half the squared error of the maps, or in the second stage smooth L1 of x / W and y / H."""
        maps = self.maps(images)
        count = visible.sum().clamp_min(1)
        if self._stage == COORDINATES:
            found = soft_argmax(maps, self.config.temperature) * self.stride
            height, width = self.crop
            sides = constant((float(width), float(height)), maps.device)
            error = functional.smooth_l1_loss(found / sides, joints / sides, reduction="none")
            return {COORDINATES: (error.mean(-1) * visible).sum() / count}
        size, cells = (maps.shape[2], maps.shape[3]), joints / self.stride
        wanted = gaussian_maps(cells, size, self.config.sigma / self.stride, rounded=self.config.rounded)
        error = (maps - wanted).square().mean((2, 3))
        return {HEATMAPS: 0.5 * (error * visible).sum() / count}

    def begin_stage(self, stage: str) -> None:
        self._stage = stage


class AppearanceNet(HighResolutionNet):
    """HRNet, and what makes maps of full size of its own: sixteen of each, laid out cell by cell (Shi et al. 2016)."""

    def __init__(self, width: int, joints: int, modules: tuple[int, ...] = MODULES, *, super_resolution: bool) -> None:
        super().__init__(width, joints, modules)
        made = joints * STRIDE**2
        norm = nn.BatchNorm2d(made)
        # Maps are almost zero almost everywhere; Adam's steps are too short to get there from 1 before long.
        nn.init.constant_(norm.weight, _FAINT)
        layers = (nn.Conv2d(joints, made, 1), norm, nn.LeakyReLU(_LEAK), nn.PixelShuffle(STRIDE))
        self.super_resolution = nn.Sequential(*layers) if super_resolution else nn.Identity()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Return maps [N, J, H, W], or of a quarter of the sides, for images that are normalised as ImageNet's."""
        # Channels last: a quarter less time on a CPU, and what tensor cores want.
        maps: Tensor = self.super_resolution(super().forward(images.contiguous(memory_format=torch.channels_last)))
        return maps


def _layout_of(weights: str) -> Skeleton | None:
    """Return the layout that a file of trained weights names; None where it names none."""
    return stored_layout(Path(weights)) if weights else None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
