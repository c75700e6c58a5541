"""People as they are to be drawn on canvases of cells."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.tensors import TensorRecord

# Cells; whoever is further off the canvas is not seen from it, and numbers stay small.
_FAR = 1e5


@attrs.frozen(eq=False)
class People2D(TensorRecord):
    """N people on the canvases of S scenes.

    Attributes:
        places: [N, J, 2] of key points, cells; finite.
        peak: [N, J] 0 to 1, how high each is drawn; 0 where there is none.
        sigma: [N] standard deviation of their Gaussians, cells.
        root: [N, 2] where their boxes are painted, cells.
        boxes: [N, 4] left, top, right and bottom edge, cells.
        nearness: [N] the larger, the nearer to the camera within a scene.
        scene: [N] int64, rows of the scenes.
    """

    places: Tensor
    peak: Tensor
    sigma: Tensor
    root: Tensor
    boxes: Tensor
    nearness: Tensor
    scene: Tensor

    def __len__(self) -> int:
        return len(self.scene)


def placed_and_seen(places: Tensor) -> tuple[Tensor, Tensor]:
    """Return places [N, J, 2] without what is no number, and which of them are numbers [N, J] bool."""
    seen = places.isfinite().all(-1)
    return torch.where(seen[..., None], places, 0.0).clamp(-_FAR, _FAR), seen


def in_turn(scene: Tensor, scenes: int, most: int) -> Tensor:
    """Return the people of each scene as rows [S, most], in their order; -1 where there is nobody more.

    Args:
        scene: [N] int64, rows of the scenes.
        scenes: how many there are, S.
        most: people in the fullest of them.
    """
    order = scene.argsort(stable=True)
    counts = torch.zeros(scenes, dtype=torch.int64, device=scene.device).index_add_(0, scene, torch.ones_like(scene))
    number = torch.arange(len(scene), device=scene.device) - (counts.cumsum(0) - counts)[scene[order]]
    table = torch.full((scenes, most), -1, dtype=torch.int64, device=scene.device)
    table[scene[order], number] = order
    return table
