"""Maps read again: who is where, in which box, and where the joints in it are (released code: the best ten a scene)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.tensors import TensorRecord
from poseplug_virtualpose.maps import Maps

# Below it nobody is there (released code).
LEAST_SCORE = 0.1
# Cells along a side, of which only the highest is compared, for every so many columns of a canvas.
_BLOCK, _CANVAS = 4, 60
# Values are compared on a logarithmic scale, of which zero has no place.
_TINY = 1e-6


@attrs.frozen(eq=False)
class Detections2D(TensorRecord):
    """M = S K people seen in S maps, K slots a scene, scene by scene and by score within a scene.

    Attributes:
        scene: [M] int64, rows of the maps.
        place: [M, 2] where the root is, cells; zeros in an empty slot.
        box: [M, 4] left, top, right and bottom edge, cells; zeros in an empty slot.
        score: [M] 0 to 1, how high the peak is; 0 for an empty slot.
    """

    scene: Tensor
    place: Tensor
    box: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.scene)


def decode(maps: Maps, root: int, most: int = 10, least: float = LEAST_SCORE) -> Detections2D:
    """Return whom maps show. Nothing of it carries gradients, and nothing waits for the device.

    Args:
        maps: of S scenes.
        root: the joint that people are found by.
        most: people in a scene at most, K.
        least: a peak below is nobody's.
    """
    with torch.no_grad():
        scenes = maps.heatmaps.shape[0]
        score, place, cell = _peaks(maps.heatmaps[:, root : root + 1], most)
        score, place, cell = score[:, 0], place[:, 0], cell[:, 0]
        distances = maps.boxes.flatten(2).gather(2, cell[:, None].expand(-1, 4, -1)).mT.clamp_min(0)
        there = score >= least
        box = torch.cat([place - distances[..., :2], place + distances[..., 2:]], dim=-1)
        return Detections2D(
            torch.arange(scenes, device=score.device).repeat_interleave(most, output_size=scenes * most),
            torch.where(there[..., None], place, 0.0).flatten(0, 1),
            torch.where(there[..., None], box, 0.0).flatten(0, 1),
            torch.where(there, score.clamp(max=1), 0.0).flatten(),
        )


def joints_in_boxes(maps: Maps, detections: Detections2D, least: float = LEAST_SCORE) -> Tensor:
    """Return places [M, J, 2] in cells: of each joint the highest peak in the box; the root's place where none is.

    Peaks of one joint that are less than four cells apart, on canvases of 240 columns, may count as one.

    Args:
        maps: of S scenes.
        detections: as ``decode`` gives them, M = S K.
        least: a peak below is none.
    """
    with torch.no_grad():
        scenes = len(maps.heatmaps)
        most = len(detections) // max(scenes, 1)
        # A joint of everybody, and as many that are no one's. On large canvases Gaussians are wide.
        block = max(1, min(_BLOCK, maps.width // _CANVAS))
        score, place, _ = _peaks(maps.heatmaps, 2 * most, block)
        box = detections.box.view(scenes, most, 1, 1, 4)
        peaks = place[:, None]
        inside = ((peaks >= box[..., :2]) & (peaks <= box[..., 2:])).all(-1)
        inside &= (score >= least)[:, None]
        # By score, so the first that is inside is the highest.
        first = inside.to(torch.uint8).argmax(-1, keepdim=True)
        found = peaks.expand(-1, most, -1, -1, -1).gather(3, first[..., None].expand(-1, -1, -1, -1, 2))[:, :, :, 0]
        fallback = detections.place.view(scenes, most, 1, 2)
        return torch.where(inside.any(-1)[..., None], found, fallback).flatten(0, 1)


def _peaks(maps: Tensor, most: int, block: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return the highest peaks of maps [S, C, h, w]: scores [S, C, K], places [S, C, K, 2] and cells [S, C, K].

    Peaks are the highest of three by three blocks of so many cells along a side; with larger blocks fewer are compared.
    """
    height, width = maps.shape[2:]
    highest = functional.max_pool2d(maps, block, ceil_mode=True) if block > 1 else maps
    peaks = torch.where(_is_peak(highest), highest, 0.0).flatten(2)
    score, at = peaks.topk(min(most, peaks.shape[-1]), dim=-1)
    if missing := most - score.shape[-1]:
        score, at = functional.pad(score, (0, missing)), functional.pad(at, (0, missing))
    # Of a block the cell that was its highest.
    across, inner = highest.shape[3], torch.arange(block, device=maps.device)
    rows = (at // across * block)[..., None] + inner
    columns = (at % across * block)[..., None] + inner
    cells = rows.clamp(max=height - 1)[..., None] * width + columns.clamp(max=width - 1)[..., None, :]
    cells = cells.flatten(-2)
    best = maps.flatten(2).gather(2, cells.flatten(2)).view_as(cells).argmax(-1, keepdim=True)
    cell = cells.gather(-1, best)[..., 0]
    column, row = cell % width, cell // width
    place = torch.stack([column + _beside(maps, cell, column, 1), row + _beside(maps, cell, row, width)], dim=-1)
    return score, place + 0.5, cell


def _is_peak(maps: Tensor) -> Tensor:
    """Return which cells are the highest of the nine about them; of equal neighbours the first is."""
    framed = functional.pad(maps, (1, 1, 1, 1), value=-torch.inf)
    left, middle, right = framed[..., :-2], framed[..., 1:-1], framed[..., 2:]
    of_rows = torch.maximum(torch.maximum(left, middle), right)
    before = torch.maximum(of_rows[..., :-2, :], left[..., 1:-1, :])
    after = torch.maximum(of_rows[..., 2:, :], right[..., 1:-1, :])
    return (maps > before) & (maps >= after)


def _beside(maps: Tensor, cell: Tensor, index: Tensor, stride: int) -> Tensor:
    """Return how far beside the middle of its cell each peak is along an axis, -0.5 to 0.5 cells.

    It is the top of the parabola through the logarithms of three neighbours: of a Gaussian, exactly where it is.
    At the edge of the canvas it is the middle.
    """
    side = maps.shape[3] if stride == 1 else maps.shape[2]
    flat = maps.flatten(2)
    neighbours = ((cell + step).clamp(0, flat.shape[-1] - 1) for step in (-stride, 0, stride))
    before, at, after = (flat.gather(2, neighbour).clamp_min(_TINY).log() for neighbour in neighbours)
    curvature = before + after - 2 * at
    beside = (before - after) / (2 * torch.where(curvature < 0, curvature, -1.0))
    inner = (index > 0) & (index < side - 1) & (curvature < 0)
    return torch.where(inner, beside.clamp(-0.5, 0.5), 0.0)
