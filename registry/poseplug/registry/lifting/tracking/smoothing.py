"""Poses over time without their tremor: in a window about each frame, the parabola that fits best."""

from __future__ import annotations

import numpy as np

from poseplug.registry.lifting.spool import Array


def smoothed(values: Array, track: Array, frame: Array, window: int) -> Array:
    """Return values [n, D] smoothed over time; with every frame there, a Savitzky-Golay filter of order 2.

    Near the ends of a track and where frames are missing, the parabola is fitted to the frames that there are, by their
    own times; to fewer than three a line or their mean. What is not finite stays so, and counts for nothing else.

    Args:
        values: people sorted by track and frame.
        track, frame: [n].
        window: frames, the middle one included; an even number means the next odd one.
    """
    half = window // 2
    good = np.asarray(np.isfinite(values).all(1))
    clean = np.where(good[:, None], values, 0.0).astype(np.float64)
    n = len(values)
    moments, sums = np.zeros((5, n)), np.zeros((3, n, values.shape[1]))
    for step in range(-half, half + 1):
        here = slice(max(0, -step), min(n, n - step))
        there = slice(max(0, step), min(n, n + step))
        if here.start >= here.stop:
            continue
        time = (frame[there] - frame[here]).astype(np.float64)
        weight = (good[there] & (track[there] == track[here]) & (np.abs(time) <= half)).astype(np.float64)
        for power in range(5):
            moments[power, here] += weight * time**power
        for power in range(3):
            sums[power, here] += (weight * time**power)[:, None] * clean[there]
    result = _at_zero(moments, sums)
    smooth: Array = np.where(good[:, None], result, values).astype(values.dtype)
    return smooth


def _at_zero(moments: Array, sums: Array) -> Array:
    """Return the value at time 0 of each best parabola; of a line or a constant where times do not tell more."""
    s0, s1, s2, s3, s4 = moments
    # Cramer's rule for the first of three unknowns.
    a, b, c = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    determinant = s0 * a + s1 * b + s2 * c
    line = s0 * s2 - s1 * s1
    parabola = (a[:, None] * sums[0] + b[:, None] * sums[1] + c[:, None] * sums[2]) / _safe(determinant)
    straight = (s2[:, None] * sums[0] - s1[:, None] * sums[1]) / _safe(line)
    mean = sums[0] / _safe(s0)
    # Moments are whole numbers, so what is not zero is at least one.
    fitted: Array = np.where((determinant > 0.5)[:, None], parabola, np.where((line > 0.5)[:, None], straight, mean))
    return fitted


def _safe(values: Array) -> Array:
    return np.where(values > 0.5, values, 1.0)[:, None]
