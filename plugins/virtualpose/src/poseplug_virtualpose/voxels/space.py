"""Where voxels are: nodes in boxes along the axes of the world, seen by a camera."""

from __future__ import annotations

from functools import lru_cache

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera, distort
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.tensors import TensorRecord, constant

# World to camera where nobody knows: level, and looking along the world's -z. Rows: right, down, forward.
_LEVEL = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
# Nearer than this, or behind the camera, nothing is seen; metres (the released code's).
NEAREST = 0.01
# A place that is outside of every map.
NOWHERE = -1e4


@attrs.frozen
class Grid:
    """Nodes in a box, evenly spaced, the outermost on its faces.

    Attributes:
        size: metres along the world's x, y (up) and z.
        nodes: how many along each.
    """

    size: tuple[float, float, float]
    nodes: tuple[int, int, int]

    @property
    def count(self) -> int:
        """How many nodes there are, V."""
        return self.nodes[0] * self.nodes[1] * self.nodes[2]

    @property
    def pitch(self) -> tuple[float, float, float]:
        """Metres between neighbours along each axis."""
        x, y, z = (size / (nodes - 1) for size, nodes in zip(self.size, self.nodes, strict=True))
        return x, y, z

    def axes(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Return the coordinates [nodes] along each axis, about the middle of the box, metres."""
        return _axes(self.size, self.nodes, device)

    def offsets(self, index: Tensor) -> Tensor:
        """Return the places [..., 3] of nodes [...] about the middle of the box; z runs fastest."""
        _, y, z = self.nodes
        along = (index // (y * z), index // z % y, index % z)
        return torch.stack([axis[i] for axis, i in zip(self.axes(index.device), along, strict=True)], dim=-1)


@lru_cache(maxsize=32)
def _axes(
    size: tuple[float, float, float], nodes: tuple[int, int, int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.inference_mode(False):
        x, y, z = (torch.linspace(-s / 2, s / 2, n, device=device) for s, n in zip(size, nodes, strict=True))
    return x, y, z


def orientation(camera: Camera) -> Tensor:
    """Return the rotations [S, 3, 3] from the world to cameras; level where the world is unknown."""
    if camera.rotation is not None:
        return camera.rotation
    return constant(_LEVEL, camera.focal.device).expand(len(camera), 3, 3)


@attrs.frozen(eq=False)
class Boxes3D(TensorRecord):
    """B boxes along the axes of their worlds, each seen by a camera, whose pixels become cells of a map.

    Attributes:
        middle: [B, 3] of the boxes, camera frame, metres.
        rotation: [B, 3, 3] from the worlds to the cameras.
        camera: B rows.
        letterbox: from pixels to cells, B rows.
    """

    middle: Tensor
    rotation: Tensor
    camera: Camera
    letterbox: Letterbox

    def __len__(self) -> int:
        return len(self.middle)

    @classmethod
    def about(cls, middle: Tensor, camera: Camera, letterbox: Letterbox) -> Boxes3D:
        """Return boxes about places [B, 3] in the camera frame, metres."""
        return cls(middle, orientation(camera), camera, letterbox)

    def to_camera(self, offsets: Tensor) -> Tensor:
        """Return where places [B, K, 3] about the middles, along the world's axes, are in the camera frame."""
        return torch.baddbmm(self.middle[:, None], offsets, self.rotation.mT)

    def offsets(self, points: Tensor) -> Tensor:
        """Return where points [B, K, 3] of the camera frame are about the middles, along the world's axes."""
        return (points - self.middle[:, None]) @ self.rotation

    def cells(self, row: int, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return columns and rows [V] of the cells, continuous, in which one box's nodes are seen, and their depths.

        A node that the camera cannot see is in the column ``NOWHERE``.
        """
        x, y, z = grid.axes(self.middle.device)
        across, up, along = self.rotation[row].unbind(1)
        # A rotation is linear: one sum for each node and coordinate.
        plane = torch.add((up[:, None] * y)[:, :, None], (along[:, None] * z)[:, None]).flatten(1)
        edge = torch.addcmul(self.middle[row][:, None], across[:, None], x)
        right, down, depth = torch.add(edge[:, :, None], plane[:, None]).flatten(1)
        inverse = depth.reciprocal()
        right.mul_(inverse)
        down.mul_(inverse)
        hidden = depth < NEAREST
        camera = self.camera
        if camera.distortion is not None:
            # The model of distortion holds within 45 degrees.
            hidden |= (right.abs() > 1) | (down.abs() > 1)
            right, down = distort(right.clamp(-1, 1), down.clamp(-1, 1), camera.distortion[row].unbind(-1))
        ratio = self.letterbox.ratio[row]
        scale = (camera.focal[row] * ratio).unbind(-1)
        shift = torch.addcmul(self.letterbox.offset[row], camera.centre[row], ratio).unbind(-1)
        columns, rows = (place.mul_(s).add_(o) for place, s, o in zip((right, down), scale, shift, strict=True))
        return columns.masked_fill_(hidden, NOWHERE), rows, depth
