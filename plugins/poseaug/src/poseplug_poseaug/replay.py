"""A pool of earlier fakes, so that a discriminator does not forget what it has learnt to tell apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ReplayPool(nn.Module):
    """Mixes new fakes with stored ones; all of its state is in buffers.

    Until the pool is full every fake passes through and is stored. From then on each new fake, with probability one
    half, takes the place of a stored one, which is returned in its stead. The places of one batch are all different,
    so that the result does not depend on the order in which a device writes; in the batch that fills the pool they
    are taken in turn instead of at random. Of a batch larger than the pool the rest passes by.

    Args:
        capacity: rows that the pool holds; 0 switches it off.
        shape: of one row.
        device: where it lives.
    """

    rows: Tensor
    filled: Tensor

    def __init__(self, capacity: int, shape: tuple[int, ...], device: torch.device) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("rows", torch.zeros(capacity, *shape, device=device))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64, device=device))

    @torch.no_grad()
    def mix(self, fakes: Tensor, generator: torch.Generator) -> Tensor:
        """Return as many rows as it is given [N, ...], stored ones among them."""
        n, device = min(len(fakes), self.capacity), fakes.device
        if not n:
            return fakes
        place = self.filled + torch.arange(n, device=device)
        entering = place < self.capacity
        anywhere = torch.randperm(self.capacity, generator=generator, device=device)[:n]
        place = torch.where(self.filled < self.capacity, place % self.capacity, anywhere)
        swapped = ~entering & (torch.rand(n, generator=generator, device=device) < 0.5)
        new, old = fakes[:n], self.rows.index_select(0, place)
        self.rows.index_copy_(0, place, torch.where(_beside(entering | swapped, new), new, old))
        self.filled.add_(n).clamp_(max=self.capacity)
        return torch.cat([torch.where(_beside(swapped, new), old, new), fakes[n:]])


def _beside(mask: Tensor, rows: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (rows.ndim - 1))
