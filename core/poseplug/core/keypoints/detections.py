"""People whose 2D key points somebody found: what the readers of all formats give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.tensors import TensorRecord


@attrs.frozen(eq=False)
class Detections(TensorRecord):
    """N people found in images, in the order of their file; tensors on the CPU.

    Attributes:
        joints: [N, J, 2] float32, pixels; of a joint that was not found, zeros.
        confidence: [N, J] float32 in [0, 1]; 0 for joints that were not found, 1 where the format does not say.
        frame: [N] int64, the number of the image: of a video's frame from 0, else as the format numbers images.
        track: [N] int64, who it is, where the format says; -1 otherwise.
        size: [N, 2] float32, width and height of the image in pixels; 0 where the format does not say.
        box: [N, 4] float32, left, top, width and height of the person in pixels, where the format says; otherwise 0.
    """

    joints: Tensor
    confidence: Tensor
    frame: Tensor
    track: Tensor
    size: Tensor
    box: Tensor | None = None

    def __len__(self) -> int:
        return self.joints.shape[0]


class KeypointFile(Protocol):
    """An opened file or folder of key points, of which nothing but its beginning has been read.

    Attributes:
        format: what the format is called.
        skeleton: the layout of its joints.
        fps: frames a second, where the format says.
    """

    format: str
    skeleton: Skeleton
    fps: float | None

    def chunks(self) -> Iterator[Detections]:
        """Give all people, some thousands at a time, in memory that does not grow with the file.

        Raises:
            PoseplugError: the file is damaged, or holds what the format does not; names file, place and expectation.
        """
