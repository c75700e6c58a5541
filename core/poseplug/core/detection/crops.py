"""Crops: a person's box, cut out of an image and resized by an affine map whose inverse is exact.

Both as COCO has them: of points, whole numbers are the centres of pixels; boxes (left, top, width, height) count edges,
so that (0, 0, W, H) is a whole image, from -0.5 to W - 0.5 in the numbers of points.
"""

from __future__ import annotations

from typing import Self

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.tensors import TensorRecord, constant

Size = tuple[int, int]
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# No box is smaller: a click instead of a box would be enlarged without end.
_SMALLEST = 2.0


def imagenet_normalised(images: Tensor) -> Tensor:
    """Return images [N, 3, H, W], RGB from 0 to 1, as networks that were trained on ImageNet expect them."""
    mean, deviation = (constant(v, images.device, images.dtype)[:, None, None] for v in (_MEAN, _DEVIATION))
    return (images - mean) / deviation


def padded(boxes: Tensor, size: Size) -> Tensor:
    """Return boxes [N, 4] about the same middles, made wider or taller until they have the shape of a crop.

    Args:
        boxes: left, top, width, height.
        size: height and width of the crop.
    """
    sides = boxes[:, 2:].clamp_min(_SMALLEST)
    scale = (sides / constant((float(size[1]), float(size[0])), boxes.device, boxes.dtype)).amax(1, keepdim=True)
    wanted = scale * constant((float(size[1]), float(size[0])), boxes.device, boxes.dtype)
    return torch.cat([boxes[:, :2] + (boxes[:, 2:] - wanted) / 2, wanted], dim=1)


@attrs.frozen(eq=False)
class CropMaps(TensorRecord):
    """Where N crops lie in their images.

    Attributes:
        matrix: [N, 2, 3] float64, from pixels of the crop to those of the image: matrix @ (x, y, 1).
    """

    matrix: Tensor

    @classmethod
    def of_boxes(cls, boxes: Tensor, size: Size) -> Self:
        """Return the maps of boxes [N, 4] (left, top, width, height), padded to the shape of crops of H x W."""
        fitting = padded(boxes.double(), size)
        scale = fitting[:, 2:] / constant((float(size[1]), float(size[0])), boxes.device, torch.float64)
        # The outer edges of crop and box meet; edges are half a pixel before centres.
        offset = fitting[:, :2] + (scale - 1) / 2
        return cls(torch.cat([torch.diag_embed(scale), offset[..., None]], dim=2))

    def to_image(self, points: Tensor) -> Tensor:
        """Return points [N, J, 2] of the crops in pixels of the images."""
        turn, offset = self.matrix[:, :, :2], self.matrix[:, None, :, 2]
        found: Tensor = points.double() @ turn.mT + offset
        return found.to(points.dtype)

    def to_crop(self, points: Tensor) -> Tensor:
        """Return points [N, J, 2] of the images in pixels of the crops; the inverse of ``to_image``."""
        turn, offset = self.matrix[:, :, :2], self.matrix[:, None, :, 2]
        found: Tensor = torch.linalg.solve(turn, (points.double() - offset).mT).mT
        return found.to(points.dtype)

    def after(self, inner: Tensor) -> Self:
        """Return the maps of crops that are taken of these ones by ``inner`` [N, 2, 3], from new crops to these."""
        turn, offset = self.matrix[:, :, :2], self.matrix[:, :, 2:]
        return type(self)(torch.cat([turn @ inner[..., :2], turn @ inner[..., 2:] + offset], dim=2))

    @property
    def scale(self) -> Tensor:
        """How many of the image's pixels there are for each of the crop, along a side [N]."""
        areas: Tensor = torch.linalg.det(self.matrix[:, :, :2])
        return areas.abs().sqrt()


def take_crops(image: Tensor, maps: CropMaps, size: Size) -> Tensor:
    """Return crops [N, 3, H, W] float32 from 0 to 1 of one image, zero where they reach out of it.

    Where a crop is smaller than its box, pixels are averaged first, by the whole number of them that fits.

    Args:
        image: [3, h, w] uint8.
        maps: of N crops.
        size: height and width of the crops.
    """
    factors = maps.scale.floor().clamp_min(1).long()
    crops = torch.empty(len(factors), 3, *size, device=image.device)
    for factor in sorted({*factors.tolist()}):
        rows = factors == factor
        crops[rows] = _sampled(_shrunk(image, factor), maps.matrix[rows], factor, size)
    return crops


def letterboxed(image: Tensor, size: Size) -> Tensor:
    """Return an image [3, h, w] uint8 as [3, H, W] uint8: resized to fit, as ``Letterbox`` has it, on black.

    Args:
        image: RGB.
        size: height and width of the canvas.
    """
    whole = torch.tensor([[0.0, 0.0, image.shape[2], image.shape[1]]], device=image.device)
    placed = take_crops(image, CropMaps.of_boxes(whole, size), size)[0]
    return (placed * 255).round().to(torch.uint8)


def _shrunk(image: Tensor, factor: int) -> Tensor:
    values = image.float() / 255
    if factor == 1:
        return values
    # Up to whole cells with zeros, which is what lies outside.
    height, width = image.shape[1:]
    whole = functional.pad(values, (0, -width % factor, 0, -height % factor))
    return functional.avg_pool2d(whole, factor)


def _sampled(image: Tensor, matrix: Tensor, factor: int, size: Size) -> Tensor:
    tall, wide = image.shape[1:]
    y, x = torch.meshgrid(*(torch.arange(n, device=image.device) for n in size), indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).to(matrix)
    points = torch.einsum("nij,hwj->nhwi", matrix, places)
    # From pixels to cells of so many, then to the sampler's -1 to 1 from edge to edge.
    cells = (points + 0.5) / factor
    grid = cells / constant((float(wide), float(tall)), image.device, torch.float64) * 2 - 1
    # A person far outside the image would be beyond what float32 tells apart; there is nothing to see either way.
    clamped = grid.clamp(-4, 4).float()
    return functional.grid_sample(image.expand(len(matrix), -1, -1, -1), clamped, align_corners=False)
