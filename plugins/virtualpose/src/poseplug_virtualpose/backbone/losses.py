"""What the backbone is to find: heat maps of joints that are seen, and people's boxes where their roots are.

VirtualPose, Sec. 4.1. Who is there without 2D labels counts as nobody, as in the released code.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import TensorRecord
from poseplug_virtualpose.agr.boxes import boxes_about, edge_distances
from poseplug_virtualpose.agr.people import placed_and_seen
from poseplug_virtualpose.agr.rendering import draw_heatmaps, sigmas
from poseplug_virtualpose.maps import Maps


@attrs.frozen(eq=False)
class Targets(TensorRecord):
    """What S maps of J joints are to be.

    Attributes:
        heatmaps: [S, J, h, w].
        known: [S, J] 1 where the joint is seen of anybody in the scene, else 0: its map is not compared then.
        cell: [N] int64, which of all cells of the S maps has each person's root.
        distances: [N, 4] cells, from the root to the edges of the box.
        placed: [N] 1 for whoever's root is seen, else 0.
    """

    heatmaps: Tensor
    known: Tensor
    cell: Tensor
    distances: Tensor
    placed: Tensor


def targets_of(batch: PoseBatch, maps: Maps) -> Targets:
    """Return what maps of a batch are to be; joints beside the picture, and those that are no numbers, are unseen."""
    height, width, scene = maps.height, maps.width, batch.scene_rows
    size = batch.camera.size
    places, numbers = placed_and_seen(maps.letterbox.place(batch.joints_2d, scene))
    inside = ((batch.joints_2d >= 0) & (batch.joints_2d < size[:, None])).all(-1)
    seen = numbers & inside
    sigma = sigmas(places, seen, width)
    heatmaps = draw_heatmaps(places, sigma, scene, (batch.num_scenes, height, width), seen.to(places.dtype))
    known = heatmaps.new_zeros(batch.num_scenes, places.shape[1])
    known.index_add_(0, scene, seen.to(known.dtype)).clamp_(max=1)
    corners = maps.letterbox.place(torch.stack([torch.zeros_like(size), size], dim=1), scene)
    boxes = boxes_about(places, seen, corners[:, 0], corners[:, 1])
    root = places[:, batch.skeleton.root]
    column = root[:, 0].long().clamp(0, width - 1)
    row = root[:, 1].long().clamp(0, height - 1)
    cell = (scene * height + row) * width + column
    placed = seen[:, batch.skeleton.root].to(places.dtype)
    return Targets(heatmaps, known, cell, edge_distances(root, boxes), placed)


def heatmap_loss(maps: Maps, targets: Targets) -> Tensor:
    """Return the mean squared error of all cells, zero in maps of joints that nobody knows."""
    errors = (maps.heatmaps - targets.heatmaps) * targets.known[..., None, None]
    return errors.square().mean() if errors.numel() else errors.sum()


def box_loss(maps: Maps, targets: Targets) -> Tensor:
    """Return the mean error, in cells, of the four distances in the cells of roots that are seen; 0 without any."""
    found = maps.boxes.permute(0, 2, 3, 1).reshape(-1, 4)[targets.cell]
    errors = (found - targets.distances).abs().mean(-1)
    return (errors * targets.placed).sum() / targets.placed.sum().clamp_min(1)
