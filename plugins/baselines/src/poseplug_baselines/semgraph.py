"""The semantic graph convolution of Zhao et al. (CVPR 2019), on node-major features [J, N, C].

Node-major, the products with weights are one matrix product over all J N rows, and mixing neighbours is one small
[J, J] product with the features as [J, N C].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.dense import dense


class SemGraphConv(nn.Module):
    """Graph convolution with learnt edge weights and one linear map each for a node itself and for its neighbours.

    ``y_i = M_ii W_0 x_i + sum_j!=i M_ij W_1 x_j + b``, where row i of M is the softmax of the edge logits over node i
    and its neighbours.

    Args:
        inputs, outputs: channels.
        skeleton: its bones are the edges.
        device: where the parameters live.
    """

    support: Tensor

    def __init__(self, inputs: int, outputs: int, skeleton: Skeleton, device: torch.device) -> None:
        super().__init__()
        support = torch.eye(skeleton.num_joints, dtype=torch.bool)
        for parent, child in skeleton.bones:
            support[parent, child] = support[child, parent] = True
        self.register_buffer("support", support.flatten().nonzero()[:, 0].to(device), persistent=False)
        self.num_joints = skeleton.num_joints
        self.weight = nn.Parameter(torch.empty(2, outputs, inputs, device=device))
        self.logits = nn.Parameter(torch.ones(len(self.support), device=device))
        self.bias = nn.Parameter(torch.empty(outputs, device=device))
        # Xavier-uniform of gain 1.414 on the stacked tensor (2, inputs, outputs), whose fans PyTorch takes to be
        # inputs * outputs and 2 * outputs: at 128 channels an eighth of what each matrix would get by itself.
        bound = 1.414 * math.sqrt(6 / (inputs * outputs + 2 * outputs))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -1 / math.sqrt(outputs), 1 / math.sqrt(outputs))

    def mixing(self) -> Tensor:
        """Return M [J, J]; its rows sum to 1."""
        logits = self.logits.new_full((self.num_joints**2,), -math.inf).index_copy(0, self.support, self.logits)
        return logits.view(self.num_joints, self.num_joints).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [J, N, outputs] for x [J, N, inputs]."""
        mixing = self.mixing()
        own = mixing.diagonal()
        neighbours = (mixing - own.diag()) @ x.flatten(1)
        far = dense(neighbours.view(x.shape), self.weight[1], self.bias)
        return far + dense(x * own[:, None, None], self.weight[0])
