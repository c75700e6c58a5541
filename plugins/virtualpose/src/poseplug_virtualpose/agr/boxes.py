"""People's boxes: made of key points, and painted as the distances from each root to the edges of its person's box."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.tensors import constant
from poseplug_virtualpose.agr.people import in_turn
from poseplug_virtualpose.agr.rendering import canvas_scale, extents

# Room about the key points, shares of their width and height on each side.
_MARGIN = (0.25, 0.12)
# Cells; half of a painted square on the paper's canvas.
_HALF = 15


def boxes_about(joints: Tensor, seen: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return boxes [N, 4] (left, top, right, bottom) about joints [N, J, 2], clipped to pictures.

    The extent of the joints that are seen [N, J] is enlarged by 25 % of its width on each side and 12 % of its height.

    Args:
        joints: in pixels or cells.
        seen: bool.
        low, high: [N, 2] left top and right bottom corners of the pictures.
    """
    left_top, right_bottom = extents(joints, seen)
    margin = (right_bottom - left_top) * constant(_MARGIN, joints.device, joints.dtype)
    return torch.cat([torch.clamp(left_top - margin, low, high), torch.clamp(right_bottom + margin, low, high)], dim=-1)


def edge_distances(root: Tensor, boxes: Tensor) -> Tensor:
    """Return the distances [N, 4] from roots [N, 2] to the left, top, right and bottom edges of boxes [N, 4]."""
    return torch.cat([root - boxes[:, :2], boxes[:, 2:] - root], dim=-1)


def paint_boxes(
    root: Tensor, distances: Tensor, order: Tensor, scene: Tensor, size: tuple[int, int, int], most: int
) -> Tensor:
    """Return box maps [S, 4, h, w]: each person's distances in a square about the root, zero elsewhere.

    The square has 30 x 30 cells, on canvases of less than 240 columns as much less.

    Args:
        root: [N, 2] cells; may lie off the canvas.
        distances: [N, 4] cells, to the left, top, right and bottom edge.
        order: [N] int64, everybody's row; where squares overlap, of who is later is seen.
        scene: [N] int64, rows of the S scenes.
        size: S, and height and width of the canvas.
        most: people in the fullest scene.
    """
    scenes, height, width = size
    if not len(root):
        return root.new_zeros(scenes, 4, height, width)
    half = max(1, round(_HALF * canvas_scale(width)))
    reach = torch.arange(-half, half, device=root.device)
    far = 2 * (height + width)
    column, row = (root[:, axis, None].clamp(-far, far).floor().long() + reach for axis in (0, 1))
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None]
    cell = row[:, :, None] * width + column[:, None] + scene[:, None, None] * (4 * height * width)
    channels = torch.arange(4, device=root.device) * (height * width)
    # What lies off the canvas is written behind its end.
    end = scenes * 4 * height * width
    cell = torch.where(inside[:, None], cell[:, None] + channels[:, None, None], end).flatten(1)
    colours = distances[..., None].expand(-1, -1, (2 * half) ** 2).flatten(1)
    maps = root.new_zeros(end + 1)
    for rows in in_turn(scene[order], scenes, most).unbind(1):
        # One of each scene at a time, so that nobody writes where another does.
        people = order[rows.clamp_min(0)]
        at = torch.where(rows[:, None] >= 0, cell[people], end)
        maps.scatter_(0, at.flatten(), colours[people].flatten())
    return maps[:-1].view(scenes, 4, height, width)
