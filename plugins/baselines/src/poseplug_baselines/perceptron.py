"""The residual perceptron that both the simple baseline and the single-frame VideoPose3D are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.dense import Dense, Norm, dropout


class Layer(nn.Module):
    """Linear map, batch normalisation, ReLU, dropout."""

    def __init__(self, inputs: int, channels: int, dropout: float, bias: bool, device: torch.device) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = Dense(inputs, channels, bias=bias, device=device)
        self.norm = Norm(channels, device=device)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(self.norm(self.linear(x), relu=True), self.dropout, self.training)


class Block(nn.Module):
    """Two layers and a shortcut around them; no ReLU after the sum."""

    def __init__(self, channels: int, dropout: float, bias: bool, device: torch.device) -> None:
        super().__init__()
        self.first = Layer(channels, channels, dropout, bias, device)
        self.second = Layer(channels, channels, dropout, bias, device)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change


class ResidualPerceptron(nn.Module):
    """From all 2D joints at once to all 3D joints but the root, which is zero in the output.

    Args:
        skeleton: the joints.
        channels: width of every hidden layer.
        blocks: number of residual blocks.
        dropout: probability, after every hidden layer.
        bias: whether hidden layers have a bias besides that of their normalisation.
        device: where the parameters live.
    """

    def __init__(
        self, skeleton: Skeleton, channels: int, blocks: int, dropout: float, bias: bool, device: torch.device
    ) -> None:
        super().__init__()
        self.root = skeleton.root
        self.expand = Layer(2 * skeleton.num_joints, channels, dropout, bias, device)
        self.blocks = nn.Sequential(*(Block(channels, dropout, bias, device) for _ in range(blocks)))
        self.shrink = Dense(channels, 3 * skeleton.num_bones, device=device)

    def forward(self, joints_2d: Tensor) -> Tensor:
        """Return [N, J, 3] for normalised joints [N, J, 2]."""
        moving = self.shrink(self.blocks(self.expand(joints_2d.flatten(1)))).unflatten(1, (-1, 3))
        root = torch.zeros_like(moving[:, :1])
        return torch.cat([moving[:, : self.root], root, moving[:, self.root :]], dim=1)
