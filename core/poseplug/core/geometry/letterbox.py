"""Letterboxes: pictures of any size resized isotropically to fit a canvas, and centred in it."""

from __future__ import annotations

from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.tensors import TensorRecord, constant


@attrs.frozen(eq=False)
class Letterbox(TensorRecord):
    """How pixels of S pictures become places on a canvas: place = ratio * pixel + offset.

    Attributes:
        ratio: [S] places on the canvas per pixel.
        offset: [S, 2] of the picture's left top corner on the canvas.
    """

    ratio: Tensor
    offset: Tensor

    @classmethod
    def fitting(cls, size: Tensor, height: int, width: int) -> Self:
        """Return those that fit pictures of a size [S, 2] (width, height) into a canvas."""
        canvas = constant((float(width), float(height)), size.device, size.dtype)
        ratio = (canvas / size).amin(-1)
        return cls(ratio, (canvas - size * ratio[:, None]) / 2)

    def place(self, pixels: Tensor, scene: Tensor | None = None) -> Tensor:
        """Return places [N, K, 2] on the canvas of pixels [N, K, 2], of the pictures [N] that ``scene`` numbers."""
        of = self if scene is None else self.select(scene)
        return torch.addcmul(of.offset[:, None], pixels, of.ratio[:, None, None])

    def pixels(self, places: Tensor, scene: Tensor | None = None) -> Tensor:
        """Return the pixels [N, K, 2] of places [N, K, 2]; undoes ``place``."""
        of = self if scene is None else self.select(scene)
        return (places - of.offset[:, None]) / of.ratio[:, None, None]
