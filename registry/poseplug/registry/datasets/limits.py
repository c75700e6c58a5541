"""``poseplug data limits``: joint limits learned from sources, and sources held against limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.learn_limits import DirectionCounts, LimitSettings, limits_from
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.errors import PoseplugError
from poseplug.registry.datasets.opening import Opened, Progress


def learn(
    sources: Sequence[Opened],
    settings: LimitSettings,
    *,
    poses: int = 0,
    progress: Progress = lambda done, total: None,
) -> JointLimits:
    """Return the limits of the poses of sources; their skeletons may differ.

    Args:
        sources: with 3D.
        settings: how far beyond their poses is allowed.
        poses: the first so many of each, or so many drawn at random of a source without end; 0: all.
        progress: told how far it is.

    Raises:
        PoseplugError: a source without end and no number, without 3D or limbs, or without a pose.
    """
    counts, done = DirectionCounts(settings), 0
    sizes = [_size(opened, poses) for opened in sources]
    for opened, most in zip(sources, sizes, strict=True):
        for batch in opened.in_order(most):
            counts.add(batch.absolute, batch.skeleton)
            done += len(batch)
            progress(done, sum(sizes))
    return limits_from(counts, settings, {"sources": [opened.said for opened in sources]})


def _size(opened: Opened, poses: int) -> int:
    if opened.poses is None and not poses:
        raise PoseplugError(f"'{opened.said}' has no end; say how many poses to look at with --poses N.")
    return min(filter(None, (opened.poses, poses)), default=0)


@attrs.frozen
class Held:
    """What came of holding poses against limits.

    Attributes:
        facts: ready for JSON: "poses", "accepted" (the share all of whose bones are), "bones" (for each the share).
    """

    facts: Mapping[str, Any]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Give what it is about and what was found, for people."""
        facts = self.facts
        yield "poses", f"{facts['poses']}{' drawn at random' if facts['drawn'] else ''}"
        yield "accepted", f"{facts['accepted']:.2%}"
        for name, share in facts["bones"].items():
            yield name, f"{share:.2%}"


def hold(opened: Opened, limits: JointLimits, most: int) -> Held:
    """Hold a source's poses against limits; of more than ``most`` so many drawn ones.

    Raises:
        PoseplugError: it has no pose, no 3D or no limbs.
    """
    names = limbs_of(opened.source.skeleton).names
    drawn = opened.poses is None or opened.poses > most
    poses, whole, bones = 0, 0, torch.zeros(len(names), dtype=torch.int64)
    for batch in opened.drawn(most) if drawn else opened.in_order(most):
        accepted = limits.accepts(batch.absolute.cpu(), batch.skeleton)
        poses += len(batch)
        whole += int(accepted.all(1).sum())
        bones += accepted.sum(0)
    if not poses:
        raise PoseplugError(f"'{opened.said}' has no poses.")
    shares = dict(zip(names, (bones.double() / poses).tolist(), strict=True))
    return Held({"source": opened.said, "poses": poses, "drawn": drawn, "accepted": whole / poses, "bones": shares})


def limits_of_file(path: Path | None) -> JointLimits:
    """Return the limits of a file, or where none is named those that come with poseplug."""
    return JointLimits.default() if path is None else JointLimits.load(path)
