"""Where volumes are high on average (eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug_virtualpose.voxels.space import Grid

# What scores are multiplied by before their softmax (the released code).
BETA = 100.0
# Exponents below the highest by more than this count as this: 1e-26 of it.
_FAR = 60.0


def soft_argmax(scores: Tensor, grid: Grid, beta: float = BETA) -> Tensor:
    """Return the mean places [N, J, 3], about the middle of the box in metres, under the softmax of beta times scores.

    Args:
        scores: [N, J, X, Y, Z], in any memory format.
        grid: the nodes.
        beta: how much the highest count.
    """
    x, y, _ = grid.nodes
    rows = scores.movedim(1, -1).flatten(3).flatten(1, 2)  # [N, X Y, Z J], as the network leaves them
    joints = scores.shape[1]
    highest = rows.detach().amax(1).view(len(scores), -1, joints).amax(1)
    # What is as good as nothing is kept from being denormal, which processors are slow at.
    share = (rows - highest.repeat(1, grid.nodes[2])[:, None]).mul_(beta).clamp_min_(-_FAR).exp_()
    # Two products with what does not depend on the volume; the division comes last, over a few numbers.
    across, up, along = grid.axes(scores.device)
    plane = torch.stack([across.repeat_interleave(y), up.repeat(x), torch.ones(x * y, device=up.device)])
    sums = torch.matmul(plane, share).view(len(scores), 3, -1, joints)  # [N, 3, Z, J]
    means = torch.stack([*sums[:, :2].sum(2).unbind(1), torch.einsum("z, nzj -> nj", along, sums[:, 2])], dim=-1)
    return means / sums[:, 2].sum(1)[..., None]
