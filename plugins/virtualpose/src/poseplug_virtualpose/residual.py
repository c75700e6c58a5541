"""Residual blocks and what makes maps larger again: what the depth estimator and backbones are made of.

He, Zhang, Ren, Sun: Deep residual learning, CVPR 2016. Xiao, Wu, Wei: Simple baselines for pose estimation, ECCV 2018.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a skip."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, outputs, h, w], not negative; sides are divided by the stride."""
        y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu_()))
        # Cells are left out beforehand: oneDNN 3.12's gradient of a 1x1 convolution with a stride, channels last and
        # few of them, writes beyond its memory.
        return y.add_(self.downsample(x[..., :: self.stride, :: self.stride])).relu_()


class Deconvs(nn.Sequential):
    """Transposed convolutions [N, inputs, h, w] -> [N, outputs, 2^count h, 2^count w], not negative."""

    def __init__(self, inputs: int, outputs: int, count: int = 3) -> None:
        layers: list[nn.Module] = []
        for number in range(count):
            conv = nn.ConvTranspose2d(outputs if number else inputs, outputs, 4, stride=2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers)


def head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return a 3x3 convolution, a rectifier and a 1x1 convolution: what reads dense maps from features."""
    return nn.Sequential(nn.Conv2d(inputs, hidden, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(hidden, outputs, 1))
