"""HRNet, the backbone: branches of several resolutions side by side that exchange what they found.

Sun, Xiao, Liu, Wang: Deep high-resolution representation learning for human pose estimation, CVPR 2019
(arXiv 1902.09212). Modules are called what its public release calls them (conv1, layer1, transition1, stage2, ...,
https://github.com/leoxiaobin/deep-high-resolution-net.pytorch), so that its weights fit. Written from the paper and
those names: timm, which has the network too, needs torchvision.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

_STEM, _BOTTLENECKS, _BLOCKS = 64, 4, 4
# How many modules stage 2, 3 and 4 have in the paper; each stage has one branch more than the last.
MODULES = (1, 4, 3)
STRIDE = 4  # pixels of the image for each of the finest map
COARSEST = 32  # and of the coarsest


def _unit(inputs: int, outputs: int, kernel: int, stride: int = 1, *, relu: bool = True) -> nn.Sequential:
    """Return convolution, normalisation and perhaps a rectifier."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *[nn.ReLU(inplace=True)] * relu)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them: [N, C, H, W] to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _unit(channels, channels, 3, relu=False)
        self.conv2, self.bn2 = _unit(channels, channels, 3, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x and what was found in it."""
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(y)) + x, inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut: [N, inputs, H, W] to [N, 4 width, H, W]."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _unit(inputs, width, 1, relu=False)
        self.conv2, self.bn2 = _unit(width, width, 3, relu=False)
        self.conv3, self.bn3 = _unit(width, 4 * width, 1, relu=False)
        self.downsample = _unit(inputs, 4 * width, 1, relu=False) if inputs != 4 * width else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x, brought to the channels of the output, and what was found in it."""
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.bn3(self.conv3(y)) + shortcut, inplace=True)


def _upwards(inputs: int, outputs: int, levels: int) -> nn.Sequential:
    """Return the way from a coarser branch to a finer one."""
    return nn.Sequential(*_unit(inputs, outputs, 1, relu=False), nn.Upsample(scale_factor=2**levels, mode="nearest"))


def _downwards(inputs: int, outputs: int, levels: int) -> nn.Sequential:
    """Return the way from a finer branch to a coarser one: halved step by step, rectified but for the last."""
    halvings = [_unit(inputs, inputs, 3, 2) for _ in range(levels - 1)]
    return nn.Sequential(*halvings, _unit(inputs, outputs, 3, 2, relu=False))


class Module(nn.Module):
    """Four blocks on each branch, and then for each resolution the sum of what all branches found.

    Args:
        widths: channels of the branches, the finest first.
        outputs: for how many resolutions, from the finest on, sums are made.
    """

    def __init__(self, widths: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(_BLOCKS))) for width in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._way(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    @staticmethod
    def _way(widths: list[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        make = _upwards if source > target else _downwards
        return make(widths[source], widths[target], abs(source - target))

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Return a map for each output resolution, of one for each branch."""
        found = [blocks(x) for blocks, x in zip(self.branches, branches, strict=True)]
        sums = []
        for ways in self.fuse_layers:
            assert isinstance(ways, nn.ModuleList)
            first, *others = (way(x) for way, x in zip(ways, found, strict=True))
            sums.append(functional.relu(sum(others, first)))
        return sums


def _transition(before: list[int], widths: list[int]) -> nn.ModuleList:
    """Return the ways from the branches of one stage to those of the next, the last of which is new."""
    ways: list[nn.Module] = [
        nn.Identity() if old == new else _unit(old, new, 3) for old, new in zip(before, widths, strict=False)
    ]
    return nn.ModuleList([*ways, nn.Sequential(_unit(before[-1], widths[-1], 3, 2))])


class HighResolutionNet(nn.Module):
    """[N, 3, H, W] to [N, joints, H / 4, W / 4]; H and W are multiples of 32.

    Args:
        width: channels of the finest branch; each coarser one has twice those before it.
        joints: maps that come out.
        modules: how many stages 2, 3 and 4 have.
    """

    def __init__(self, width: int, joints: int, modules: tuple[int, ...] = MODULES) -> None:
        super().__init__()
        self.conv1, self.bn1 = _unit(3, _STEM, 3, 2, relu=False)
        self.conv2, self.bn2 = _unit(_STEM, _STEM, 3, 2, relu=False)
        inputs = (_STEM, *[4 * _STEM] * (_BOTTLENECKS - 1))
        self.layer1 = nn.Sequential(*(Bottleneck(channels, _STEM) for channels in inputs))
        widths = [[4 * _STEM], *([width << level for level in range(count)] for count in (2, 3, 4))]
        self.transition1, self.transition2, self.transition3 = (_transition(*both) for both in pairwise(widths))
        self.stage2, self.stage3, self.stage4 = (
            nn.Sequential(
                # Of the very last sums, all but the finest would go nowhere.
                *(Module(of, 1 if len(of) == 4 and i == count - 1 else len(of)) for i in range(count))
            )
            for of, count in zip(widths[1:], modules, strict=True)
        )
        self.final_layer = nn.Conv2d(width, joints, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return maps of joints for images that are normalised as ImageNet's."""
        x = functional.relu(self.bn1(self.conv1(images)), inplace=True)
        x = self.layer1(functional.relu(self.bn2(self.conv2(x)), inplace=True))
        branches = [way(x) for way in self.transition1]
        branches = self.stage2(branches)
        branches = self._further(self.transition2, branches)
        branches = self._further(self.transition3, self.stage3(branches))
        maps: Tensor = self.final_layer(self.stage4(branches)[0])
        return maps

    @staticmethod
    def _further(transition: nn.ModuleList, branches: list[Tensor]) -> list[Tensor]:
        return [way(x) for way, x in zip(transition, [*branches, branches[-1]], strict=True)]
