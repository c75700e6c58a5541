"""The interface of detectors: where are the joints in an image?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Trained


@attrs.frozen
class Stage:
    """A stretch of a detector's training with losses of its own.

    Attributes:
        name: what progress and messages call it.
        share: of the training's steps.
    """

    name: str
    share: float


class Detector(Trained, ABC):
    """Finds the joints of one person in a crop of an image.

    It finds those of ``context.skeleton``; where that is None, those that it knows best. Pixels are counted so that
    whole numbers are their centres, x to the right and y down, as COCO's annotations have them.

    Attributes:
        skeleton: the layout of what it finds.
        crop: height and width of the images that it reads, pixels.
        stages: what it is trained in, one after the other; the shares add up to 1. None: all at once.
        untrained: what of it has no trained weights, in words, with what to do about it; "" where it can be used.
        notes: what its user should know, such as weights of a file that were not taken.
    """

    skeleton: Skeleton
    crop: tuple[int, int]
    stages: Sequence[Stage] = ()
    untrained: str = ""
    notes: Sequence[str] = ()

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints [N, J, 2] in pixels of the crop and confidence [N, J] in [0, 1].

        Args:
            images: [N, 3, H, W] RGB from 0 to 1, each with one person in the middle; H, W are those of ``crop``.
        """

    @abstractmethod
    def loss(self, images: Tensor, joints: Tensor, visible: Tensor) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains it in the stage that was begun last, the first if none was.

        Args:
            images: as ``forward`` takes them.
            joints: [N, J, 2] where joints are, pixels of the crop.
            visible: [N, J] 1 where a joint is known and in the crop, otherwise 0.
        """

    def find(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what ``forward`` does, in evaluation mode and without gradients."""
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad():
                found: tuple[Tensor, Tensor] = self(images)
                return found
        finally:
            self.train(was_training)

    def begin_stage(self, stage: str) -> None:
        """Take note of the stage that steps belong to from now on; called again where training is resumed."""
