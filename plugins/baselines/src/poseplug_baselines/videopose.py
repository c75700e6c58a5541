"""Pavllo, Feichtenhofer, Grangier, Auli: 3D human pose estimation in video, CVPR 2019; for a single frame.

With one frame every temporal convolution has width 1, so the network is a residual perceptron without hidden biases.
The root is not predicted, and batch normalisation keeps its momentum: the set-up of PoseAug and PoseGU.
"""

from __future__ import annotations

from typing import Any

import attrs
from torch import Tensor

from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.settings import setting
from poseplug_baselines.perceptron import ResidualPerceptron


@attrs.frozen(kw_only=True)
class VideoPoseConfig:
    """Settings of the single-frame VideoPose3D."""

    channels: int = setting(1024, "width of the hidden layers", minimum=1)
    blocks: int = setting(4, "number of residual blocks, two layers each", minimum=0)
    dropout: float = setting(0.25, "dropout probability after every hidden layer", minimum=0, maximum=1)


class VideoPose(Lifter):
    """VideoPose3D with a receptive field of one frame; its root is exactly zero."""

    Config = VideoPoseConfig

    def __init__(self, config: VideoPoseConfig, context: BuildContext) -> None:
        super().__init__()
        self.net = ResidualPerceptron(
            context.layout, config.channels, config.blocks, config.dropout, bias=False, device=context.device
        )

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        result: Tensor = self.net(joints_2d)
        return result
