"""The network of each operator: a perceptron that always normalises by the batch it sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.models.dense import Dense

SLOPE = 0.01


class BatchStatistics(nn.BatchNorm1d):
    """Batch normalisation by the batch at hand, in evaluation too; a single pose is normalised by running averages."""

    def forward(self, x: Tensor) -> Tensor:
        single = len(x) < 2
        running = (self.running_mean, self.running_var) if self.training or single else (None, None)
        return functional.batch_norm(
            x, *running, self.weight, self.bias, training=not single, momentum=self.momentum or 0.0, eps=self.eps
        )


class Layer(nn.Module):
    """Linear map, batch normalisation, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, device: torch.device) -> None:
        super().__init__()
        self.linear = Dense(inputs, outputs, device=device)
        self.norm = BatchStatistics(outputs, device=device)

    def forward(self, x: Tensor) -> Tensor:
        # In place: the gradient of the normalisation needs its input, not its output.
        return functional.leaky_relu_(self.norm(self.linear(x)), SLOPE)


class Perceptron(nn.Sequential):
    """An input layer, two stages of two layers without shortcuts or dropout, and a linear output.

    Args:
        inputs: size of the input.
        channels: width of the hidden layers.
        outputs: size of the output.
        device: where the parameters live.
    """

    def __init__(self, inputs: int, channels: int, outputs: int, device: torch.device) -> None:
        layers = [Layer(inputs if i == 0 else channels, channels, device) for i in range(5)]
        super().__init__(*layers, Dense(channels, outputs, device=device))
        kaiming(self)


def kaiming(network: nn.Module) -> None:
    """Draw the weights of all linear maps anew: normal, variance 2 / inputs; biases keep PyTorch's default."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
