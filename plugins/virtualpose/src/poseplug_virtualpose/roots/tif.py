"""TIF, depth from features of the whole image: Lin, Lee: HDNet, ECCV 2020. VirtualPose's second baseline (Sec. 3.1).

A network sees all of a scene, and where in it. A person's features are its own, averaged where each of their joints is
seen; from them, and from size and place of the box, an MLP says in which of 64 intervals the depth is.

Deviations: maps instead of images, a pyramid on ResNet-18 instead of one on ResNet-50, an MLP over joints instead of a
graph network; a depth between two intervals is shared between them, so that it is met exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import ordered, setting
from poseplug.core.tensors import constant
from poseplug_virtualpose.maps import Maps
from poseplug_virtualpose.roots.given_people import Given, GivenPeopleRoot, in_picture, mean_of, placed
from poseplug_virtualpose.roots.residual_stages import ResidualStages

_SMALLEST = 1e-6


def _stride(value: int) -> str | None:
    return None if value in (1, 2, 4) else f"must be 1, 2 or 4, got {value}"


@attrs.frozen(kw_only=True)
class TIFConfig:
    """Settings of depth from image features."""

    channels: int = setting(64, "width of the network's first stage; 64 make a ResNet-18", minimum=1)
    hidden: int = setting(256, "width of the layer that says the depth", minimum=1)
    stride: int = setting(4, "cells of the maps to a cell of the features: 1, 2 or 4", check=_stride)
    bins: int = setting(64, "intervals of the depth, equally long in its logarithm", minimum=2)
    depths: tuple[float, float] = setting(
        (1.0, 20.0), "least and greatest depth, of a camera whose focal length is the image's width", unit="m",
        above=0, check=ordered,
    )  # fmt: skip


class TIF(GivenPeopleRoot):
    """Depth over focal length, in intervals of its logarithm, from features pooled at a person's joints."""

    Config = TIFConfig

    def __init__(self, config: TIFConfig, context: BuildContext) -> None:
        super().__init__(context)
        joints, channels = context.layout.num_joints, config.channels
        self.bins = LogBins(config.bins, *config.depths)
        self.network = ResidualStages(joints + 2, channels, config.stride)
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in self.network.widths)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Sequential(
            nn.Linear(joints * channels + 4, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.bins)
        )
        # The roots that were returned last, and what was said of their depth, for the loss on it.
        self._said: tuple[Tensor, Tensor] | None = None

    def forward(self, **inputs: Any) -> Tensor:
        """Return roots [N, 3] in the camera frame, metres."""
        given = Given.of(self.root, **inputs)
        logits = self.intervals(given)
        roots = placed(self.root, self._depth(logits, given), **inputs)
        if self.training and not torch.compiler.is_compiling():
            self._said = roots, logits
        return roots

    def depth(self, given: Given) -> Tensor:
        """Return the expected depth, by what the network says of intervals."""
        return self._depth(self.intervals(given), given)

    def _depth(self, logits: Tensor, given: Given) -> Tensor:
        return self.bins.expected(logits) * given.focal / given.maps.width

    def intervals(self, given: Given) -> Tensor:
        """Return the logits [N, bins] of each person's depth."""
        width, height = given.maps.width, given.maps.height
        features = self.pooled(self.pyramid(given.maps), given)
        centre = given.middle / width - constant((0.5, 0.5 * height / width), features.device)
        size = ((given.high - given.low).clamp_min(1.0) / width).log()
        logits: Tensor = self.head(torch.cat([features.flatten(1), centre, size], -1))
        return logits

    def pyramid(self, maps: Maps) -> Tensor:
        """Return features [S, C, h, w] of the scenes, in which coarse and fine ones are added up."""
        stages = self.network(torch.cat([maps.heatmaps, _coordinates(maps)], 1))
        features = self.lateral[-1](stages[-1])
        for lateral, finer in zip(self.lateral[-2::-1], stages[-2::-1], strict=True):
            features = lateral(finer) + functional.interpolate(features, finer.shape[-2:])
        smooth: Tensor = self.smooth(features)
        return smooth

    def pooled(self, features: Tensor, given: Given) -> Tensor:
        """Return the mean feature [N, J, C] of each joint, weighted by its heat map within the person's box."""
        height, width = features.shape[-2:]
        seen = functional.adaptive_avg_pool2d(given.maps.heatmaps, (height, width))[given.scene]
        x = (torch.arange(width, device=seen.device) + 0.5) * (given.maps.width / width)
        y = (torch.arange(height, device=seen.device) + 0.5) * (given.maps.height / height)
        seen = seen * given.boxed(x[None, None], y[None, :, None])[:, None]
        total = seen.sum((-2, -1)).clamp_min(_SMALLEST)
        return torch.einsum("nchw,njhw->njc", features[given.scene], seen) / total[..., None]

    def loss(self, roots: Tensor, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return the mean absolute error of the depth, metres, and the cross entropy of intervals."""
        given = Given.of(self.root, **inputs)
        said, self._said = self._said, None
        logits = said[1] if said is not None and said[0] is roots else self.intervals(given)
        target = self.bins.shares(batch.root[:, 2] * given.maps.width / given.focal)
        entropy = -(target * logits.log_softmax(-1)).sum(-1)
        return {**super().loss(roots, batch, **inputs), "bins": mean_of(entropy, in_picture(batch))}


class LogBins(nn.Module):
    """Depths whose logarithms are equally far apart.

    Args:
        count: how many.
        least, greatest: the first and the last, metres.
    """

    logs: Tensor

    def __init__(self, count: int, least: float, greatest: float) -> None:
        super().__init__()
        self.register_buffer("logs", torch.linspace(math.log(least), math.log(greatest), count), persistent=False)

    def expected(self, logits: Tensor) -> Tensor:
        """Return the depth [N] whose logarithm is expected by logits [N, count]."""
        return (logits.softmax(-1) * self.logs).sum(-1).exp()

    def shares(self, depth: Tensor) -> Tensor:
        """Return the shares [N, count] of the two nearest depths that ``expected`` makes this one [N] of."""
        step = self.logs[1] - self.logs[0]
        log = torch.clamp(depth.log()[:, None], self.logs[0], self.logs[-1])
        return (1 - (log - self.logs).abs() / step).clamp_min(0)


def _coordinates(maps: Maps) -> Tensor:
    """Return where each cell is, x and y from the middle in halves of the width, as channels [S, 2, h, w]."""
    x, y = (torch.arange(side, device=maps.heatmaps.device) + 0.5 - side / 2 for side in (maps.width, maps.height))
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1]) * (2 / maps.width)
    return grid.expand(len(maps.heatmaps), -1, -1, -1)
