"""Zhao, Peng, Tian, Kapadia, Metaxas: Semantic graph convolutional networks for 3D human pose regression, CVPR 2019.

As PoseAug and PoseGU train it: without non-local blocks, which a setting brings back.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.models.dense import Norm, dropout
from poseplug.core.settings import setting
from poseplug_baselines.memory import in_chunks
from poseplug_baselines.nonlocal_pairs import NonLocalPairs
from poseplug_baselines.semgraph import SemGraphConv


@attrs.frozen(kw_only=True)
class SemGCNConfig:
    """Settings of the semantic graph convolutional network."""

    channels: int = setting(128, "features of every joint in the hidden layers", minimum=1)
    blocks: int = setting(4, "number of residual blocks, two graph convolutions each", minimum=0)
    dropout: float = setting(0.0, "dropout probability after every hidden layer", minimum=0, maximum=1)
    non_local: bool = setting(False, "let joints attend to pairs of joints after the input layer and every block")


class SemGCN(Lifter):
    """Semantic graph convolutions over the skeleton; predicts the root too."""

    Config = SemGCNConfig

    def __init__(self, config: SemGCNConfig, context: BuildContext) -> None:
        super().__init__()
        skeleton, device, channels = context.layout, context.device, config.channels
        body: list[nn.Module] = [_Layer(2, channels, config.dropout, skeleton, device)]
        for block in range(config.blocks + 1):
            if block:
                body.append(_Block(channels, config.dropout, skeleton, device))
            if config.non_local:
                body.append(NonLocalPairs(channels, skeleton, device))
        self.body = nn.Sequential(*body)
        self.head = SemGraphConv(channels, 3, skeleton, device)

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        return in_chunks(self._lift, joints_2d, self.training)

    def _lift(self, joints_2d: Tensor) -> Tensor:
        joints: Tensor = self.head(self.body(joints_2d.transpose(0, 1).contiguous()))
        return joints.transpose(0, 1)


class _Layer(nn.Module):
    """Graph convolution, batch normalisation, ReLU, dropout."""

    def __init__(self, inputs: int, channels: int, dropout: float, skeleton: Skeleton, device: torch.device) -> None:
        super().__init__()
        self.dropout = dropout
        self.conv = SemGraphConv(inputs, channels, skeleton, device)
        self.norm = Norm(channels, device=device)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(self.norm(self.conv(x), relu=True), self.dropout, self.training)


class _Block(nn.Module):
    """Two layers and a shortcut around them; no ReLU after the sum."""

    def __init__(self, channels: int, dropout: float, skeleton: Skeleton, device: torch.device) -> None:
        super().__init__()
        self.first = _Layer(channels, channels, dropout, skeleton, device)
        self.second = _Layer(channels, channels, dropout, skeleton, device)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change
