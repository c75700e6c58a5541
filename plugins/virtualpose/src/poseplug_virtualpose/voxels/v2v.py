"""V2V: the network over voxels that both root and pose estimation use (Sec. 4.2 and 4.3).

Moon, Chang, Lee: V2V-PoseNet, CVPR 2018, in the small form of VoxelPose (Tu et al., ECCV 2020), which VirtualPose's
released code has too: 3.32 million parameters for 15 joints. Equal outputs are computed with fewer passes over memory:
channels come last, and in evaluation batch normalisation is part of the convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Standard deviation of all weights at first.
_INITIAL = 0.001
CHANNELS, KERNEL = 16, 7


class ConvNorm(nn.Module):
    """A convolution of odd size that keeps the volume's shape, and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, size, padding=size // 2)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, outputs, X, Y, Z]."""
        if self.norm.training:
            normalised: Tensor = self.norm(self.conv(x))
            return normalised
        weight, bias = _folded(self.conv, self.norm, 0)
        if weight.shape[2:].numel() == 1:  # a matrix product, which it takes a multiple of the time not to be
            return functional.linear(x.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)
        return functional.conv3d(x, weight, bias, padding=self.conv.padding)


class Residual(nn.Module):
    """Two convolutions beside a skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3)
        self.second = ConvNorm(outputs, outputs, 3)
        self.skip = ConvNorm(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, outputs, X, Y, Z], not negative."""
        y: Tensor = self.second(self.first(x).relu_())
        return y.add_(self.skip(x)).relu_()


class Doubling(nn.Module):
    """Each voxel becomes eight."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose3d(inputs, outputs, 2, stride=2)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, outputs, 2 X, 2 Y, 2 Z], not negative."""
        if self.norm.training:
            doubled: Tensor = self.norm(self.conv(x))
            return doubled.relu_()
        weight, bias = _folded(self.conv, self.norm, 1)
        return functional.conv_transpose3d(x, weight, bias, stride=2).relu_()


class V2V(nn.Module):
    """Scores of voxels, for volumes of any sides that are multiples of 4.

    Args:
        inputs: channels of what is seen of each voxel.
        outputs: channels of scores, without an activation.
        channels: of the first layer; others have 2, 4 and 8 times as many.
        kernel: nodes along each side of what the first layer sees at once, odd.
    """

    def __init__(self, inputs: int, outputs: int, channels: int = CHANNELS, kernel: int = KERNEL) -> None:
        super().__init__()
        full, half, quarter = 2 * channels, 4 * channels, 8 * channels
        self.first = ConvNorm(inputs, channels, kernel)
        self.front = Residual(channels, full)
        self.skip_full, self.skip_half = Residual(full, full), Residual(half, half)
        self.down_half, self.down_quarter = Residual(full, half), Residual(half, quarter)
        self.middle, self.up_quarter = Residual(quarter, quarter), Residual(quarter, quarter)
        self.to_half, self.up_half, self.to_full = Doubling(quarter, half), Residual(half, half), Doubling(half, full)
        self.last = nn.Conv3d(full, outputs, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.normal_(module.weight, 0, _INITIAL)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, volume: Tensor) -> Tensor:
        """Return scores [N, outputs, X, Y, Z] for volumes [N, inputs, X, Y, Z]."""
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
        full: Tensor = self.front(self.first(volume).relu_())
        half = self.down_half(functional.max_pool3d(full, 2))
        quarter = self.down_quarter(functional.max_pool3d(half, 2))
        quarter = self.up_quarter(self.middle(quarter))
        half = self.to_half(quarter) + self.skip_half(half)
        full = self.to_full(self.up_half(half)) + self.skip_full(full)
        weight = self.last.weight.flatten(1)
        return functional.linear(full.movedim(1, -1), weight, self.last.bias).movedim(-1, 1)


def _folded(conv: nn.Conv3d | nn.ConvTranspose3d, norm: nn.BatchNorm3d, axis: int) -> tuple[Tensor, Tensor]:
    """Return weight and bias of what a convolution and its normalisation do in evaluation; outputs are on an axis."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert conv.bias is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shape = [1] * conv.weight.ndim
    shape[axis] = -1
    return conv.weight * scale.view(shape), torch.addcmul(norm.bias, conv.bias - norm.running_mean, scale)
