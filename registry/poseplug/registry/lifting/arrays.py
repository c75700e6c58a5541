"""Key points in memory, as if they were a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.people import CHUNK


@attrs.define(eq=False)
class Arrays:
    """Key points that are in memory; see ``KeypointFile``."""

    people: Detections
    skeleton: Skeleton
    fps: float | None = None
    format: str = "arrays"

    @classmethod
    def of(
        cls,
        joints: Any,
        confidence: Any,
        skeleton: Skeleton,
        *,
        frame: Any = None,
        track: Any = None,
        size: tuple[int, int] | None = None,
    ) -> Self:
        """Take arrays or tensors: joints [N, J, 2], and what is known besides.

        Raises:
            PoseplugError: shapes that do not go together.
        """
        pixels = _tensor("key points", joints, torch.float32)
        n, count = len(pixels) if pixels.ndim else 0, skeleton.num_joints
        _check(
            "key points", pixels, (n, count, 2), f" for the skeleton '{skeleton.name}' ({', '.join(skeleton.joints)})"
        )
        sure = torch.ones(n, count) if confidence is None else _tensor("confidence", confidence, torch.float32)
        _check("confidence", sure, (n, count))
        frames = torch.arange(n) if frame is None else _tensor("frame", frame, torch.int64)
        _check("frame", frames, (n,))
        tracks = torch.full((n,), -1) if track is None else _tensor("track", track, torch.int64)
        _check("track", tracks, (n,))
        image = torch.zeros(n, 2) if size is None else torch.tensor([size], dtype=torch.float32).expand(n, 2)
        return cls(Detections(pixels, sure.nan_to_num(0), frames, tracks, image), skeleton)

    def chunks(self) -> Iterator[Detections]:
        """Give all people, some thousands at a time."""
        for start in range(0, len(self.people), CHUNK):
            yield self.people.select(slice(start, start + CHUNK))


def _tensor(name: str, values: Any, kind: torch.dtype) -> Tensor:
    try:
        given = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise PoseplugError(f"The {name} must be an array of numbers; got {type(values).__name__} ({error}).") from None
    fraction = kind is torch.int64 and given.is_floating_point()
    if fraction and not ((given == given.trunc()) & (given.abs() < 2**62)).all():
        raise PoseplugError(f"The {name} must be whole numbers.")
    return given.to(kind)


def _check(name: str, values: Tensor, shape: tuple[int, ...], why: str = "") -> None:
    if tuple(values.shape) != shape:
        raise PoseplugError(f"The {name} must have the shape {list(shape)}{why}; got {list(values.shape)}.")
