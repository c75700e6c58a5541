"""The graph convolution of Cai et al. (ICCV 2019), with a linear map for each class of neighbours.

Features are node-major, [nodes, N, channels], so that a linear map is one matrix product over all rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from poseplug.core.models.dense import Dense, Norm, dense, dropout
from poseplug_baselines.graph import NUM_CLASSES, Graph


class ClassConv(nn.Module):
    """``y_t = sum_k sum_s A_k[t, s] (W_k x_s + b_k)`` over the classes k of neighbours.

    Most targets have no neighbour of some class. Each A_k is therefore split into Q_k P_k, with as few rows in between
    as there are non-zero rows in it, or non-zero columns if they are fewer; W_k is applied to these rows only.

    Args:
        inputs, outputs: channels.
        graph: its adjacency is fixed.
        device: where the parameters live.
    """

    shares: Tensor

    def __init__(self, inputs: int, outputs: int, graph: Graph, device: torch.device) -> None:
        super().__init__()
        adjacency = graph.adjacency()
        self.register_buffer("shares", adjacency.sum(-1).T.to(device), persistent=False)
        self.classes: list[int] = []
        for k in range(1, NUM_CLASSES):
            if adjacency[k].any():
                self.classes.append(k)
                spread, gather = _split(adjacency[k])
                self.register_buffer(f"spread_{k}", spread.to(device), persistent=False)
                self.register_buffer(f"gather_{k}", gather.to(device), persistent=False)
        self.register_buffer("gather_0", adjacency[0].to(device), persistent=False)
        self.weight = nn.Parameter(torch.empty(NUM_CLASSES, outputs, inputs, device=device))
        self.bias = nn.Parameter(torch.empty(NUM_CLASSES, outputs, device=device))
        # The default of a 1x1 convolution.
        nn.init.uniform_(self.weight, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
        nn.init.uniform_(self.bias, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return [nodes, N, outputs] for x [nodes, N, inputs]."""
        result = self._mapped(0, x) + (self.shares @ self.bias)[:, None]
        for k in self.classes:
            mapped = self._mapped(k, x)
            result = torch.addmm(result.flatten(1), getattr(self, f"spread_{k}"), mapped.flatten(1)).view(result.shape)
        return result

    def _mapped(self, k: int, x: Tensor) -> Tensor:
        gathered = getattr(self, f"gather_{k}") @ x.flatten(1)
        return dense(gathered.view(len(gathered), *x.shape[1:]), self.weight[k])


def _split(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return Q and P with Q P the given matrix, one of them a selection of nodes."""
    selection = torch.eye(len(matrix))
    targets, sources = matrix.any(1).nonzero()[:, 0], matrix.any(0).nonzero()[:, 0]
    if len(targets) <= len(sources):
        return selection[:, targets], matrix[targets]
    return matrix[:, sources], selection[sources]


class ClassBlock(nn.Module):
    """Graph convolution, BN, ReLU, dropout, 1x1 convolution, BN, dropout; plus the input; ReLU.

    Args:
        inputs, outputs: channels; a shortcut between different numbers is a 1x1 convolution with BN.
        graph: where the neighbours are.
        dropout: probability, twice in the block.
        shortcut: False for no shortcut at all.
        device: where the parameters live.
    """

    def __init__(
        self, inputs: int, outputs: int, graph: Graph, dropout: float, device: torch.device, *, shortcut: bool = True
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.shortcut = shortcut
        self.conv = ClassConv(inputs, outputs, graph, device)
        self.conv_norm = Norm(outputs, device=device)
        self.linear = Dense(outputs, outputs, device=device)
        self.linear_norm = Norm(outputs, device=device)
        self.match = nn.Sequential()
        if shortcut and inputs != outputs:
            self.match.extend([Dense(inputs, outputs, device=device), Norm(outputs, device=device)])

    def forward(self, x: Tensor) -> Tensor:
        """Return [nodes, N, outputs] for x [nodes, N, inputs]."""
        y = dropout(self.conv_norm(self.conv(x), relu=True), self.dropout, self.training)
        y = dropout(self.linear_norm(self.linear(y)), self.dropout, self.training)
        if self.shortcut:
            y = y + self.match(x)
        return y.relu()
