"""Martinez, Hossain, Romero, Little: A simple yet effective baseline for 3D human pose estimation, ICCV 2017.

The variant that PoseAug and PoseGU train: two residual blocks, dropout 0.25, all joints but the root predicted.
"""

from __future__ import annotations

from typing import Any

import attrs
from torch import Tensor, nn

from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.settings import setting
from poseplug_baselines.perceptron import ResidualPerceptron


@attrs.frozen(kw_only=True)
class MLPConfig:
    """Settings of the residual multi-layer perceptron."""

    channels: int = setting(1024, "width of the hidden layers", minimum=1)
    blocks: int = setting(2, "number of residual blocks, two layers each", minimum=0)
    dropout: float = setting(0.25, "dropout probability after every hidden layer", minimum=0, maximum=1)
    initial: str = setting(
        "kaiming",
        "initial weights: 'kaiming' normal as in the papers' code, or PyTorch's 'uniform' ones, which are smaller by "
        "2.4 and learn faster in short runs",
        choices=("kaiming", "uniform"),
    )


class MLP(Lifter):
    """Residual multi-layer perceptron; its root is exactly zero."""

    Config = MLPConfig

    def __init__(self, config: MLPConfig, context: BuildContext) -> None:
        super().__init__()
        self.net = ResidualPerceptron(
            context.layout, config.channels, config.blocks, config.dropout, bias=True, device=context.device
        )
        for module in self.modules():
            if isinstance(module, nn.Linear) and config.initial == "kaiming":
                nn.init.kaiming_normal_(module.weight)

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        result: Tensor = self.net(joints_2d)
        return result
