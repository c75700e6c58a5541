"""The depth estimator: how far away a person is whose root would be in a cell (Sec. 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import constant
from poseplug_virtualpose.maps import Maps
from poseplug_virtualpose.residual import BasicBlock, Deconvs, head

# Joints whose heat is looked at, by the first name that a skeleton has; those that move least about the root (the
# released code). The root is one of them, whatever it is called.
_JOINTS = (
    *(("Thorax", "Neck", "UpperNeck"), ("HeadTop", "Head", "Nose")),
    *(("LShoulder",), ("RShoulder",), ("LHip",), ("RHip",), ("LKnee",), ("RKnee",)),
)
# Metres for each unit of the network's output and focal length in widths of the map: the paper's millimetres over the
# focal length of an image of 960 pixels. So finer maps ask for nothing else.
_UNIT = 960 / 1000
# What the network says at first: people some way off, so that the first volumes are not empty.
_FIRST = 6.0


def depth_joints(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the joints that tell most about the root's depth, as far as a skeleton has them."""
    there = [[name for name in names if name in skeleton.joints] for names in _JOINTS]
    return tuple(sorted({skeleton.root, *(skeleton.index(names[0]) for names in there if names)}))


class DepthNetwork(nn.Module):
    """A ResNet-18 that keeps its first layers at the size of the maps, with three transposed convolutions.

    Args:
        joints: whose heat is looked at.
        channels: of the first layers; later ones have 2, 4 and 8 times as many.
        flip: in training mirror half of the scenes, with left and right joints as they are.
    """

    def __init__(self, joints: Sequence[int], channels: int = 64, *, flip: bool = False) -> None:
        super().__init__()
        self.joints, self.flip = tuple(joints), flip
        sizes = [channels, 2 * channels, 4 * channels, 8 * channels]
        layers: list[nn.Module] = [
            nn.Conv2d(len(self.joints), channels, 7, padding=3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        for number, (inputs, outputs) in enumerate(zip([channels, *sizes], sizes, strict=False)):
            layers += [BasicBlock(inputs, outputs, 2 if number else 1), BasicBlock(outputs, outputs)]
        self.net = nn.Sequential(*layers, Deconvs(8 * channels, 4 * channels), head(4 * channels, 4 * channels, 1))
        nn.init.constant_(self.net[-1][-1].bias, _FIRST)  # type: ignore[index]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, maps: Maps) -> Tensor:
        """Return the depth [S, h, w] of roots in metres, wherever one may be; sides are multiples of 8."""
        heat = maps.heatmaps.index_select(1, constant(self.joints, maps.heatmaps.device, torch.int64))
        flipped = None
        if self.flip and self.training:
            flipped = torch.rand(len(heat), 1, 1, 1, device=heat.device) < 0.5
            heat = torch.where(flipped, heat.flip(-1), heat)
        depth: Tensor = self.net(heat.contiguous(memory_format=torch.channels_last)).float()
        if flipped is not None:
            depth = torch.where(flipped, depth.flip(-1), depth)
        return depth[:, 0] * (maps.focal * (_UNIT / maps.width))[:, None, None]


def read_depth(depth: Tensor, scene: Tensor, place: Tensor) -> Tensor:
    """Return what depth maps [S, h, w] say in the cells of places [N, 2] in scenes [N]: [N], metres, not negative."""
    _, height, width = depth.shape
    column, row = place[:, 0].long().clamp(0, width - 1), place[:, 1].long().clamp(0, height - 1)
    return depth[scene, row, column].clamp_min(0)


def in_picture(maps: Maps, scene: Tensor, place: Tensor) -> Tensor:
    """Return which places [N, 2], in cells, are in the pictures of scenes [N]; what a letterbox adds is outside."""
    low = maps.letterbox.offset[scene]
    high = torch.stack([maps.width - low[:, 0], maps.height - low[:, 1]], dim=-1)
    return ((place >= low) & (place < high)).all(-1)


def depth_error(depth: Tensor, maps: Maps, scene: Tensor, pixels: Tensor, true: Tensor) -> Tensor:
    """Return the mean absolute error of depth maps in metres, in the cells of true roots in the picture (eq. 4).

    Args:
        depth: [S, h, w].
        maps: what they were made of.
        scene: [N] of each person.
        pixels: [N, 2] of their roots.
        true: [N] depths of their roots, metres.
    """
    place = maps.letterbox.place(pixels[:, None], scene)[:, 0]
    seen = in_picture(maps, scene, place)
    _, height, width = depth.shape
    column, row = place[:, 0].long().clamp(0, width - 1), place[:, 1].long().clamp(0, height - 1)
    error = (depth[scene, row, column] - true).abs()
    return torch.where(seen, error, 0).sum() / seen.sum().clamp_min(1)
