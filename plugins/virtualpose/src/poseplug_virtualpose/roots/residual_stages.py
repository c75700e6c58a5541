"""ResNet-18 in stages, of any width: what the baselines see maps with."""

from __future__ import annotations

from torch import Tensor, nn

from poseplug_virtualpose.residual import BasicBlock

_BLOCKS, _STAGES = 2, 4


class ResidualStages(nn.Module):
    """A convolution, then four stages of two residual blocks, each with half the resolution of the one before.

    Args:
        inputs: channels that it sees.
        channels: of the first stage; 64 are ResNet-18's. Each further stage has twice as many.
        stride: cells to a cell of the first stage: 4 as in ResNet, 2 without its pooling, 1 at full resolution.
    """

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, channels, 7, stride=1 if stride == 1 else 2, padding=3, bias=False)
        pool = [nn.MaxPool2d(3, stride=2, padding=1)] if stride == 4 else []
        self.stem = nn.Sequential(first, nn.BatchNorm2d(channels), nn.ReLU(), *pool)
        self.widths = tuple(channels << stage for stage in range(_STAGES))
        stages, width = [], channels
        for stage, wide in enumerate(self.widths):
            blocks = [
                BasicBlock(width, wide, 1 if stage == 0 else 2),
                *(BasicBlock(wide, wide) for _ in range(_BLOCKS - 1)),
            ]
            stages.append(nn.Sequential(*blocks))
            width = wide
        self.stages = nn.ModuleList(stages)

    def forward(self, maps: Tensor) -> list[Tensor]:
        """Return the features [S, C, h, w] of the four stages for maps [S, inputs, H, W], the finest first."""
        features = [self.stem(maps)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]
