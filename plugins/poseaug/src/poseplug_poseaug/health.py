"""Running averages of what tells a healthy adversarial training from a collapsed one; nothing waits for the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

# An average forgets in about this many updates, and a verdict needs as many.
MEMORY = 100


class RunningMeans(nn.Module):
    """Averages of named figures over the last updates, kept in buffers so that a resumed run goes on with them.

    Attributes:
        last: the figures of the last update, on the device.
    """

    values: Tensor
    count: Tensor

    def __init__(self, names: tuple[str, ...], device: torch.device) -> None:
        super().__init__()
        self.names = names
        self.last: dict[str, Tensor] = {}
        self.register_buffer("values", torch.zeros(len(names), device=device))
        self.register_buffer("count", torch.zeros((), device=device))

    def update(self, figures: Mapping[str, Tensor]) -> None:
        """Take in one value of every figure."""
        self.last = {name: figures[name].detach() for name in self.names}
        self.count += 1
        self.values.lerp_(torch.stack(list(self.last.values())), self.count.reciprocal().clamp_min(1 / MEMORY))

    def means(self) -> dict[str, float]:
        """Return the averages; none before the first update. Waits for the device."""
        if not float(self.count):
            return {}
        return dict(zip(self.names, self.values.tolist(), strict=True))

    @property
    def settled(self) -> bool:
        """Whether there were enough updates for a verdict. Waits for the device."""
        return float(self.count) >= MEMORY


def direction_spread(directions: Tensor) -> Tensor:
    """Return how much unit vectors [N, M, 3] differ over the batch: 0 if all poses are alike, near 1 if they point
    anywhere (one minus the squared length of the mean vector, averaged over bones).
    """
    return (1 - directions.mean(0).square().sum(-1)).mean()


def place_spread(roots: Tensor) -> Tensor:
    """Return the standard deviation of places [N, 3] over the batch, metres."""
    return (roots - roots.mean(0)).square().sum(-1).mean().sqrt()
