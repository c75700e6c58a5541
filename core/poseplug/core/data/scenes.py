"""Scenes: images, or places for one, in which people stand together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.core.tensors import TensorRecord


@attrs.frozen(eq=False)
class Scenes(TensorRecord):
    """S scenes; one may be empty. S is a length that the host knows, so nothing waits for the device to make [S, ...].

    Attributes:
        camera: the camera of each scene, S rows.
        image: [S, 3, H, W] uint8, where there are images: the cameras' pictures in a ``Letterbox`` of H x W, RGB.
        most: people in the fullest scene, known to the host; no scene has more.
    """

    camera: Camera
    image: Tensor | None = None
    most: int = 1

    def __len__(self) -> int:
        return len(self.camera)

    def mirrored(self) -> Self:
        """Return the scenes as left-right mirrored images show them."""
        image = None if self.image is None else self.image.flip(-1)
        return attrs.evolve(self, camera=self.camera.mirrored(), image=image)

    @classmethod
    def join(cls, records: Sequence[Self]) -> Self:
        """Return all scenes one after the other; images only if all have one."""
        return attrs.evolve(super().join(records), most=max(record.most for record in records))


def rows_of(index: Tensor, people: Tensor, total: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the rows [N] of the people of some of S scenes, who lie scene by scene, and each one's place in ``index``.

    Args:
        index: [K] which scenes; one may be picked twice.
        people: [S] how many people each has.
        total: N, where the host knows it; otherwise this waits for the device.
    """
    picked = people[index]
    if total is None:
        total = int(picked.sum())
    place = torch.arange(len(index), device=index.device).repeat_interleave(picked, output_size=total)
    # The people of a scene follow each other: from its first row on, as far as they are from the first that is taken.
    first = (people.cumsum(0) - people)[index] - (picked.cumsum(0) - picked)
    return torch.arange(total, device=index.device) + first[place], place
