"""Joints that are missing for a few frames: on the line between where they were and where they are next."""

from __future__ import annotations

import numpy as np

from poseplug.registry.lifting.spool import Array


def fill_gaps(joints: Array, found: Array, track: Array, frame: Array, longest: int) -> tuple[Array, Array]:
    """Return joints [n, J, 2] with short gaps filled, and which are known now [n, J].

    Args:
        joints: people sorted by track and frame.
        found: [n, J] bool.
        track, frame: [n].
        longest: a gap of more frames stays.
    """
    rows = np.arange(len(joints))[:, None]
    before = np.maximum.accumulate(np.where(found, rows, -1), axis=0)
    after = np.minimum.accumulate(np.where(found, rows, len(joints))[::-1], axis=0)[::-1]
    start, end = before.clip(0), after.clip(max=len(joints) - 1)
    between = frame[end] - frame[start]
    fill = ~found & (before >= 0) & (after < len(joints)) & (between - 1 <= longest)
    fill &= (track[start] == track[:, None]) & (track[end] == track[:, None])
    row, joint = np.nonzero(fill)
    first, last = start[row, joint], end[row, joint]
    share = ((frame[row] - frame[first]) / (frame[last] - frame[first]))[:, None]
    filled = joints.copy()
    filled[row, joint] = (1 - share) * joints[first, joint] + share * joints[last, joint]
    return filled, found | fill
