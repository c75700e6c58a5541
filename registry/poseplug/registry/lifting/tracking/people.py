"""People over time: all that a file of key points holds, on the disk, in the order of tracks and frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.registry.lifting.lifted import BLOCK
from poseplug.registry.lifting.spool import Array, Spool
from poseplug.registry.lifting.tracking.joints import JointMaker, split_found
from poseplug.registry.lifting.tracking.tracks import link


@attrs.frozen(eq=False)
class People:
    """N people, sorted by track and frame. In memory are 24 bytes of each; their joints are on the disk.

    Attributes:
        table: joints, confidence, size; in the order of the file.
        order: [N] their rows in the table.
        track, frame: [N].
        reach: largest x and y of a joint that was found.
        sized: whether the size of every image is known.
        linked: whether tracks were made here, of people who had none.
        doubled: how many were left out because their track has another, surer person in the same frame.
    """

    table: Spool
    order: Array
    track: Array
    frame: Array
    reach: tuple[float, float]
    sized: bool
    linked: bool
    doubled: int

    def __len__(self) -> int:
        return len(self.order)

    def rows(self, start: int, stop: int) -> tuple[Array, Array, Array]:
        """Return joints [n, J, 2], confidence [n, J] and image sizes [n, 2] of people ``start`` to ``stop``."""
        joints, confidence, size = self.table.read(self.order[start:stop], "joints", "confidence", "size")
        return joints, confidence, size

    @property
    def tracks(self) -> list[int]:
        """The tracks there are."""
        return [int(track) for track in np.unique(self.track)]

    def of(self, person: str) -> People:
        """Return "all", or one track: by its number, or the "best", which has the most joints by confidence.

        Raises:
            PoseplugError: there is no such track.
        """
        if person == "all":
            return self
        chosen = self._best() if person == "best" else int(person)
        kept = self.track == chosen
        if not kept.any():
            tracks = self.tracks
            listed = ", ".join(map(str, tracks[:20])) + ", ..." * (len(tracks) > 20)
            raise PoseplugError(f"--person {person}: there is no such track; there are {listed}.")
        return attrs.evolve(self, order=self.order[kept], track=self.track[kept], frame=self.frame[kept])

    def _best(self) -> int:
        tracks, numbers = np.unique(self.track, return_inverse=True)
        sure = np.zeros(len(tracks))
        for start in range(0, len(self), BLOCK):
            _, confidence, _ = self.rows(start, start + BLOCK)
            np.add.at(sure, numbers[start : start + BLOCK], confidence.sum(1))
        return int(tracks[sure.argmax()])


def gather(file: KeypointFile, make: JointMaker, least: float, folder: Path, nobody: str = "") -> People:
    """Read all people of a file, make the run's joints of theirs, and sort them.

    Args:
        file: the key points.
        make: makes the joints.
        least: joints with less confidence count as not found.
        folder: where the table goes.
        nobody: what to say where nobody is in it, instead.

    Raises:
        PoseplugError: the file is damaged, or nobody is in it.
    """
    joints = make.target.num_joints
    table = Spool(folder, {"joints": ((joints, 2), "f4"), "confidence": ((joints,), "f4"), "size": ((2,), "f4")})
    tracks: list[Array] = []
    frames: list[Array] = []
    scores: list[Array] = []
    reach, sized = np.zeros(2), True
    for chunk in file.chunks():
        if not len(chunk):
            continue
        made, sure = make(*split_found(chunk.joints, chunk.confidence, least))
        table.append(joints=made.numpy(), confidence=sure.numpy(), size=chunk.size.numpy())
        reach = np.maximum(reach, made.amax((0, 1)).numpy())
        sized = sized and bool((chunk.size > 0).all())
        tracks.append(chunk.track.numpy().copy())
        frames.append(chunk.frame.numpy().copy())
        scores.append(sure.mean(1).numpy())
    if not table.rows:
        raise PoseplugError(
            nobody or f"There is nobody in these key points ({file.format}); choose a file with people in it."
        )
    track, frame, score = np.concatenate(tracks), np.concatenate(frames), np.concatenate(scores)
    linked = _number(table, track, frame)
    order = np.lexsort((-score, frame, track))
    track, frame = track[order], frame[order]
    first = np.append(True, (np.diff(track) != 0) | (np.diff(frame) != 0))
    doubled = int(len(first) - first.sum())
    longest = (float(reach[0]), float(reach[1]))
    return People(table, order[first], track[first], frame[first], longest, sized, linked, doubled)


def _number(table: Spool, track: Array, frame: Array) -> bool:
    """Give a track to those who have none, in place; say whether any had to be found by likeness."""
    without = np.flatnonzero(track < 0)
    if not len(without):
        return False
    offset = int(track.max()) + 1
    without = without[np.argsort(frame[without], kind="stable")]
    starts = np.append(0, np.flatnonzero(np.diff(frame[without])) + 1)
    if len(starts) == len(without):  # never two in a frame: it is one person all along
        track[without] = offset
        return False
    ends = np.append(starts[1:], len(without))

    def in_order() -> Iterator[tuple[int, Array, Array]]:
        for start, stop in _blocks(starts, ends):
            rows = without[starts[start] : ends[stop - 1]]
            joints, confidence = table.read(rows, "joints", "confidence")
            found = confidence > 0
            for number in range(start, stop):
                here = slice(starts[number] - starts[start], ends[number] - starts[start])
                yield int(frame[without[starts[number]]]), joints[here], found[here]

    for number, tracks in enumerate(link(in_order())):
        track[without[starts[number] : ends[number]]] = tracks + offset
    return True


def _blocks(starts: Array, ends: Array) -> list[tuple[int, int]]:
    """Return ranges of frames that have some thousand people each."""
    cuts = np.unique(np.append(np.searchsorted(starts, np.arange(0, ends[-1], BLOCK)), len(starts)))
    return [(int(a), int(b)) for a, b in pairwise(cuts)]
