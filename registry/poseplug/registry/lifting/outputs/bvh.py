"""Lifted poses as BVH: a file for each track, upright and in metres, as Blender imports it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import attrs
import numpy as np

from poseplug.core.storage.files import write_whole
from poseplug.registry.lifting.lifted import BLOCK, Lifted
from poseplug.registry.lifting.outputs.bvh_rig import RigJoint, end_offset, local_rotations, rig, upright, zxy_angles
from poseplug.registry.lifting.pictures.choice import evenly
from poseplug.registry.lifting.spool import Array

_USUAL_FPS = 30.0
# Lengths of bones are medians over at most so many poses, all along the track.
_MEASURED = 20_000
# Beyond so many times as many frames as poses, the numbers of frames are not those of a video.
_SPARSE = 20
_ROTATIONS = "3 Zrotation Xrotation Yrotation"


@attrs.frozen(eq=False)
class _Motion:
    """The frames of a file, each between two rows of the table that have a pose.

    Attributes:
        before, after: [F] rows.
        share: [F] how far the frame is from ``before`` to ``after``.
    """

    before: Array
    after: Array
    share: Array

    @classmethod
    def of(cls, rows: Array, frame: Array) -> _Motion:
        """Return all frames from the first to the last of rows whose frames are given, unless they are no video's."""
        first, last = int(frame[0]), int(frame[-1])
        if last - first + 1 > _SPARSE * len(rows):
            return cls(rows, rows, np.zeros(len(rows)))
        wanted = np.arange(first, last + 1)
        right = np.searchsorted(frame, wanted)
        left = np.where(frame[right] == wanted, right, right - 1)
        apart = np.maximum(frame[right] - frame[left], 1)
        return cls(rows[left], rows[right], (wanted - frame[left]) / apart)


def write_bvh(path: Path, lifted: Lifted) -> list[Path]:
    """Write a file for each track: ``path``, or of several tracks ``NAME-track3.bvh`` for track 3 and so on.

    Frames without a pose are interpolated.

    Raises:
        PoseplugError: a file cannot be written.
    """
    files = track_files(path, lifted)
    for file, span in files.items():
        write_whole(file, lambda temporary, span=span: _write(temporary, lifted, span))  # type: ignore[misc]
    return list(files)


def track_files(path: Path, lifted: Lifted) -> dict[Path, slice]:
    """Return the files of the tracks that have a pose, and where the track's poses are."""
    spans = {track: span for track, span in lifted.spans().items() if lifted.good[span].any()}
    if len(spans) == 1:
        return {path: next(iter(spans.values()))}
    return {path.with_name(f"{path.stem}-track{track}{path.suffix}"): span for track, span in spans.items()}


def _write(path: Path, lifted: Lifted, span: slice) -> None:
    rows = np.flatnonzero(lifted.good[span]) + span.start
    joints = rig(lifted.skeleton, _lengths(lifted, rows))
    motion = _Motion.of(rows, lifted.frame[rows])
    with path.open("w", encoding="ascii") as file:
        _hierarchy(file, joints, lifted)
        frame_time = 1 / (lifted.fps or _USUAL_FPS)
        file.write(f"MOTION\nFrames: {len(motion.share)}\nFrame Time: {frame_time:.7f}\n")
        last: Array | None = None
        for roots, poses in _poses(lifted, motion):
            angles = zxy_angles(local_rotations(joints, lifted.skeleton, poses)).reshape(len(poses), -1)
            # No turn by more than half a circle from frame to frame, so that programs may interpolate.
            last = np.unwrap(angles if last is None else np.vstack([last, angles]), period=360, axis=0)[-len(angles) :]
            np.savetxt(file, np.hstack([roots, last]), "%.6f")
            last = last[-1:]


def _lengths(lifted: Lifted, rows: Array) -> Array:
    """Return the median lengths [M] of bones over a track."""
    joints = lifted.rows(evenly(rows, _MEASURED)).joints_3d.astype(np.float64)
    starts, ends = (list(side) for side in zip(*lifted.skeleton.bones, strict=True))
    lengths: Array = np.median(np.linalg.norm(joints[:, ends] - joints[:, starts], axis=-1), axis=0)
    return lengths


def _poses(lifted: Lifted, motion: _Motion) -> Iterator[tuple[Array, Array]]:
    """Give roots [n, 3] and root-relative joints [n, J, 3], y up, of the frames."""
    standing = np.zeros((1, 3))
    for start in range(0, len(motion.share), BLOCK):
        part = slice(start, start + BLOCK)
        share = motion.share[part, None]
        rows, place = np.unique(np.concatenate([motion.before[part], motion.after[part]]), return_inverse=True)
        poses = lifted.rows(rows)
        joints, root = poses.joints_3d.astype(np.float64), poses.root.astype(np.float64)
        root, standing = _held(root, standing)
        a, b = place[: len(share)], place[len(share) :]
        mixed = (1 - share[..., None]) * joints[a] + share[..., None] * joints[b]
        yield upright((1 - share) * root[a] + share * root[b]), upright(mixed)


def _held(root: Array, before: Array) -> tuple[Array, Array]:
    """Return roots [n, 3] where those that are not known are the last known ones, and the last of them [1, 3]."""
    both = np.vstack([before, root])
    known = np.isfinite(both).all(1)
    last = np.maximum.accumulate(np.where(known, np.arange(len(both)), 0))
    return both[last][1:], both[last][-1:]


def _hierarchy(file: TextIO, joints: list[RigJoint], lifted: Lifted) -> None:
    children: dict[int, list[int]] = {-1: []}
    for number, joint in enumerate(joints):
        children.setdefault(joint.parent, []).append(number)

    def offset(values: tuple[float, float, float]) -> str:
        return "OFFSET " + " ".join(f"{round(value, 6) + 0.0:.6f}" for value in values)

    def write(number: int, depth: int) -> None:
        joint, tabs = joints[number], "\t" * depth
        root = joint.parent < 0
        channels = f"6 Xposition Yposition Zposition{_ROTATIONS[1:]}" if root else _ROTATIONS
        file.write(f"{tabs}{'ROOT' if root else 'JOINT'} {joint.name}\n{tabs}{{\n")
        file.write(f"{tabs}\t{offset(joint.offset)}\n{tabs}\tCHANNELS {channels}\n")
        for child in children.get(number, []):
            write(child, depth + 1)
        if number not in children:
            end = offset(end_offset(joint, lifted.skeleton))
            file.write(f"{tabs}\tEnd Site\n{tabs}\t{{\n{tabs}\t\t{end}\n{tabs}\t}}\n")
        file.write(f"{tabs}}}\n")

    file.write("HIERARCHY\n")
    write(0, 0)
