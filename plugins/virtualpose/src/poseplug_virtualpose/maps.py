"""Maps: the abstract geometry of images, from which roots and poses are found (Sec. 4.1)."""

from __future__ import annotations

import attrs
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.tensors import TensorRecord

# The input that renderers and backbones provide, and networks of roots and poses read.
MAPS = "maps"
# Networks over maps halve them three times, and features of images are so many cells apart.
_COARSEST = 8


def multiple_of_8(value: int) -> str | None:
    """Say what is wrong with the side of a map."""
    return None if value > 0 and value % _COARSEST == 0 else f"must be a multiple of {_COARSEST}, got {value}"


@attrs.frozen(eq=False)
class Maps(TensorRecord):
    """What is seen in S images, in cells of h x w.

    Attributes:
        heatmaps: [S, J, h, w] 0 to 1; a joint's peak is at its place on the canvas, whose cell (i, j) spans
            [j, j + 1] x [i, i + 1].
        boxes: [S, 4, h, w] where a root is, the distances in cells from it to the left, top, right and bottom edge of
            the person's box; elsewhere anything.
        letterbox: from the cameras' pixels to cells.
        focal: [S] geometric mean of the focal lengths, in cells.
    """

    heatmaps: Tensor
    boxes: Tensor
    letterbox: Letterbox
    focal: Tensor

    @property
    def height(self) -> int:
        """How many rows of cells there are, h."""
        return self.heatmaps.shape[-2]

    @property
    def width(self) -> int:
        """How many columns of cells there are, w."""
        return self.heatmaps.shape[-1]


def cells_of(camera: Camera, height: int, width: int) -> tuple[Letterbox, Tensor]:
    """Return how the pixels of S cameras become cells, and their focal lengths [S] in cells."""
    letterbox = Letterbox.fitting(camera.size, height, width)
    return letterbox, camera.focal.prod(-1).sqrt() * letterbox.ratio
