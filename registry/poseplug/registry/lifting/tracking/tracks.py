"""Who is who from frame to frame, where key points do not say: each goes on with whom they are most like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from poseplug.registry.lifting.spool import Array

# Mean distance of joints over the size of the person: beyond it two people are not the same. For each frame that is
# skipped, people may have moved further.
_FAR, _FURTHER = 0.5, 0.1
# A person may be lost for so many frames, and must share so many joints.
_BRIDGED, _SHARED = 10, 3


def link(frames: Iterator[tuple[int, Array, Array]]) -> Iterator[Array]:
    """Give track numbers [P], from 0, to the people of each frame.

    Pairs of people in this frame and the last ones seen of each track are taken in the order of their mean joint
    distance over size, the nearest first.

    Args:
        frames: number, joints [P, J, 2] and which of them were found [P, J], in order.
    """
    following = 0
    # Of each track that may go on: its number, where it was last, and in which frame.
    numbers, last = np.empty(0, np.int64), np.empty(0, np.int64)
    joints, found = np.empty((0, 0, 2)), np.empty((0, 0), bool)
    for frame, here, seen in frames:
        if not following:
            joints, found = np.empty((0, *here.shape[1:])), np.empty((0, here.shape[1]), bool)
        alive = frame - last <= _BRIDGED
        if not alive.all():
            numbers, last, joints, found = numbers[alive], last[alive], joints[alive], found[alive]
        tracks = np.full(len(here), -1, np.int64)
        place = np.full(len(here), -1, np.int64)
        if len(numbers):
            cost = _distances(here, seen, joints, found) - _FURTHER * (frame - last - 1)[None]
            order = np.argsort(cost, axis=None, kind="stable")
            for person, track in zip(*np.unravel_index(order, cost.shape), strict=True):
                if cost[person, track] > _FAR:
                    break
                if place[person] < 0 and track not in place:
                    place[person], tracks[person] = track, numbers[track]
        new = tracks < 0
        count = int(new.sum())
        tracks[new] = np.arange(following, following + count)
        following += count
        old = place[~new]
        numbers[old], last[old], joints[old], found[old] = tracks[~new], frame, here[~new], seen[~new]
        if count:
            numbers, last = np.append(numbers, tracks[new]), np.append(last, np.full(count, frame))
            joints, found = np.concatenate([joints, here[new]]), np.concatenate([found, seen[new]])
        yield tracks


def _distances(here: Array, seen: Array, there: Array, found: Array) -> Array:
    """Return mean distances [P, K] of shared joints over the size of the two; infinite where few are shared."""
    both = seen[:, None] & found[None]
    shared = both.sum(-1)
    apart = np.linalg.norm(here[:, None] - there[None], axis=-1)
    mean = (apart * both).sum(-1) / np.maximum(shared, 1)
    size = np.sqrt(_sizes(here, seen)[:, None] * _sizes(there, found)[None])
    return np.where(shared >= _SHARED, mean / np.maximum(size, 1e-9), np.inf)


def _sizes(joints: Array, found: Array) -> Array:
    """Return the longer side [P] of the boxes around found joints."""
    known = found[..., None]
    span = np.where(known, joints, -np.inf).max(1) - np.where(known, joints, np.inf).min(1)
    return np.where(found.any(1), span.max(-1), 0.0)
