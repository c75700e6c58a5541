"""The networks of all representations: a stem, residual blocks, a linear map to depths or features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.models.dense import Dense, Norm, dense, dropout

NORMS = ("affine", "batch", "none")


class Layer(nn.Module):
    """Linear map, normalisation, ReLU, dropout.

    Args:
        inputs, outputs: sizes.
        norm: "affine" multiplies each output by a learned scale and adds a learned shift, which is batch normalisation
            without the statistics; "batch" normalises by them; "none" leaves it out.
        probability: of dropout.
        device: where the parameters live.
    """

    def __init__(self, inputs: int, outputs: int, norm: str, probability: float, device: torch.device) -> None:
        super().__init__()
        self.probability = probability
        self.linear = Dense(inputs, outputs, device=device)
        self.norm = Norm(outputs, device=device) if norm == "batch" else None
        self.scale = nn.Parameter(torch.ones(outputs, device=device)) if norm == "affine" else None
        self.shift = nn.Parameter(torch.zeros(outputs, device=device)) if norm == "affine" else None

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            return dropout(self.norm(self.linear(x), relu=True), self.probability, self.training)
        return dropout(torch.relu(self._affine(x)), self.probability, self.training)

    def _affine(self, x: Tensor) -> Tensor:
        if self.scale is None or self.shift is None:
            return dense(x, self.linear.weight, self.linear.bias)
        # Scaling the weights is the same as scaling what comes out, and there are fewer of them in a large batch.
        weight = self.linear.weight * self.scale[:, None]
        return dense(x, weight, torch.addcmul(self.shift, self.linear.bias, self.scale))


class Block(nn.Module):
    """Two layers and a shortcut around them; no ReLU after the sum."""

    def __init__(self, channels: int, norm: str, probability: float, device: torch.device) -> None:
        super().__init__()
        self.first = Layer(channels, channels, norm, probability, device)
        self.second = Layer(channels, channels, norm, probability, device)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change


class Branch(nn.Module):
    """From inputs [N, I] to outputs [N, O], with neither normalisation nor activation at the end.

    Args:
        inputs, channels, outputs: sizes; hidden layers are ``channels`` wide.
        blocks: number of residual blocks.
        norm: of hidden layers; see ``Layer``.
        probability: of dropout after hidden layers.
        device: where the parameters live.
        stem: False: the inputs are features, ``channels`` of them, that go into the first block as they are.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        outputs: int,
        *,
        blocks: int,
        norm: str,
        probability: float,
        device: torch.device,
        stem: bool = True,
    ) -> None:
        super().__init__()
        self.stem = Layer(inputs, channels, norm, 0.0, device) if stem else nn.Identity()
        self.blocks = nn.Sequential(*(Block(channels, norm, probability, device) for _ in range(blocks)))
        self.leave = Dense(channels, outputs, device=device)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.leave(self.blocks(self.stem(x)))
        return result


def glorot(network: nn.Module) -> None:
    """Draw all weights anew from Glorot's uniform distribution, with biases of zero: what Keras starts from."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
