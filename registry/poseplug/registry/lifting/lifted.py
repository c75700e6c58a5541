"""Poses that were lifted: a record of some in memory, and all of a file on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.lifting.spool import Array, Spool

BLOCK = 4096


@attrs.frozen(eq=False)
class LiftedPoses:
    """N poses, sorted by track and frame; NumPy arrays.

    Attributes:
        skeleton: names and tree of the J joints.
        joints_3d: [N, J, 3] float32, metres, camera frame (x right, y down, z forward), the root at the origin; NaN for
            people of whom less than half of the joints were found.
        root: [N, 3] float32, where the root is in the camera frame, metres; NaN where nothing tells.
        root_estimated: False where the run has a root estimator; True where ``root`` is where the lifted pose looks
            most like the key points, which is as good as the focal length.
        joints_2d: [N, J, 2] float32, pixels, as they were lifted; joints that were not found lie on others.
        confidence: [N, J] float32, 0 for joints that were not found.
        frame: [N] int64.
        track: [N] int64, who it is.
        notes: what was assumed, made and missing, a sentence each.
        warnings: what may be wrong with the key points.
    """

    skeleton: Skeleton
    joints_3d: Array
    root: Array
    root_estimated: bool
    joints_2d: Array
    confidence: Array
    frame: Array
    track: Array
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)


@attrs.frozen(eq=False, kw_only=True)
class Lifted:
    """All poses of a file, on the disk while the folder of its tables is there.

    Attributes:
        skeleton, root_estimated, notes, warnings: as of ``LiftedPoses``.
        frame, track: [N] int64.
        good: [N] bool, whose pose is known.
        seen: table of joints_2d and confidence.
        poses: table of joints_3d and root.
        fps: frames a second; None where nobody knows.
        image: width and height in pixels, of the first image.
        facts: for summaries: numbers of people, tracks, missing joints, the camera and the view.
    """

    skeleton: Skeleton
    root_estimated: bool
    frame: Array
    track: Array
    good: Array
    seen: Spool
    poses: Spool
    fps: float | None
    image: tuple[float, float]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self, index: slice | Array) -> LiftedPoses:
        """Return some poses in memory."""
        joints_2d, confidence = self.seen.read(index, "joints_2d", "confidence")
        joints_3d, root = self.poses.read(index, "joints_3d", "root")
        return LiftedPoses(
            skeleton=self.skeleton,
            joints_3d=joints_3d,
            root=root,
            root_estimated=self.root_estimated,
            joints_2d=joints_2d,
            confidence=confidence,
            frame=self.frame[index],
            track=self.track[index],
            notes=self.notes,
            warnings=self.warnings,
        )

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[LiftedPoses]:
        """Give poses ``start`` to ``stop``, some thousands at a time."""
        stop = len(self) if stop is None else stop
        for at in range(start, stop, BLOCK):
            yield self.rows(slice(at, min(at + BLOCK, stop)))

    def spans(self) -> dict[int, slice]:
        """Return for each track where its poses are."""
        numbers, starts = np.unique(self.track, return_index=True)
        ends = np.append(starts[1:], len(self))
        return {int(t): slice(int(a), int(b)) for t, a, b in zip(numbers, starts, ends, strict=True)}
