"""Residual networks (He et al., Deep residual learning for image recognition, CVPR 2016), with 18 to 152 layers.

Tensors have the names that torchvision's checkpoints give them, and the strides are where theirs are.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

# Depth: kernels of a block's convolutions, how much wider its last one is, and the blocks of the four stages.
_DEPTHS = {
    18: ((3, 3), 1, (2, 2, 2, 2)),
    34: ((3, 3), 1, (3, 4, 6, 3)),
    50: ((1, 3, 1), 4, (3, 4, 6, 3)),
    101: ((1, 3, 1), 4, (3, 4, 23, 3)),
    152: ((1, 3, 1), 4, (3, 8, 36, 3)),
}
DEPTHS = tuple(_DEPTHS)


class ResNet(nn.Module):
    """Features [N, C, H / 32, W / 32] of images [N, channels, H, W].

    Args:
        depth: how many layers: 18, 34, 50, 101 or 152.
        channels: of what comes in.
        fine: begin without strides, for maps instead of images: features are a fourth as many cells apart.

    Attributes:
        features: how many channels features have, C.
    """

    def __init__(self, depth: int, channels: int = 3, *, fine: bool = False) -> None:
        super().__init__()
        kernels, wider, counts = _DEPTHS[depth]
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=1 if fine else 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.Identity() if fine else nn.MaxPool2d(3, stride=2, padding=1)
        self.features = 64
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*self._stage(64 << stage, wider, counts[stage], kernels)) for stage in range(4)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, width: int, wider: int, count: int, kernels: tuple[int, ...]) -> Iterator[nn.Module]:
        for number in range(count):
            stride = 2 if number == 0 and width > 64 else 1
            yield _Block((self.features, *[width] * (len(kernels) - 1), width * wider), kernels, stride)
            self.features = width * wider

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        found: Tensor = self.pool(functional.relu(self.bn1(self.conv1(images)), inplace=True))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            found = stage(found)
        return found


class _Block(nn.Module):
    """Convolutions from one width to the next, added to what came in."""

    def __init__(self, widths: tuple[int, ...], kernels: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.count = len(kernels)
        strided = kernels.index(3)
        for number, kernel in enumerate(kernels):
            by = stride if number == strided else 1
            convolution = nn.Conv2d(widths[number], widths[number + 1], kernel, by, kernel // 2, bias=False)
            self.add_module(f"conv{number + 1}", convolution)
            self.add_module(f"bn{number + 1}", nn.BatchNorm2d(widths[number + 1]))
        self.stride = stride
        same = stride == 1 and widths[0] == widths[-1]
        self.downsample = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(widths[0], widths[-1], 1, bias=False), nn.BatchNorm2d(widths[-1]))
        )

    def forward(self, features: Tensor) -> Tensor:
        found = features
        for number in range(1, self.count + 1):
            found = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(found))
            if number < self.count:
                found = functional.relu(found, inplace=True)
        # Cells are left out beforehand, for the reason that ``BasicBlock`` gives.
        beside = self.downsample(features[..., :: self.stride, :: self.stride])
        return functional.relu(found + beside, inplace=True)


def upsampling(channels: int, width: int, times: int = 3) -> nn.Sequential:
    """Return layers that double the height and width of features a few times, as SimpleBaseline's do.

    Args:
        channels: of what comes in.
        width: channels of what comes out.
        times: how often.
    """
    layers: list[nn.Module] = []
    for number in range(times):
        deconvolution = nn.ConvTranspose2d(width if number else channels, width, 4, stride=2, padding=1, bias=False)
        nn.init.normal_(deconvolution.weight, std=0.001)
        layers += [deconvolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def head(channels: int, width: int, out: int) -> nn.Sequential:
    """Return a 3x3 convolution, a rectifier, and a 1x1 convolution to ``out`` channels, all but zero at first."""
    layers = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, out, 1))
    for module in layers:
        if isinstance(module, nn.Conv2d):
            begin_small(module)
    return layers


def begin_small(convolution: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution with weights near zero and no bias."""
    nn.init.normal_(convolution.weight, std=0.001)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
