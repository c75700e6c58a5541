"""Which poses a study looks at: clips by split, and an even share of a source's poses."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource, PoseSource

SPLITS = ("train", "held_out", "lab_test", "wild")


def link_clips(mocap: Path, out: Path, every: int = 1) -> dict[str, Path]:
    """Make folders of links to the clips of each split, and return them.

    Of the lab's clips sorted by file name every fifth is test (as in the project's other studies) and the one before it
    is held out, to choose an epoch on; the others train. All of ``wild`` is the unseen domain.

    Args:
        mocap: the folder that holds ``lab`` and ``wild``.
        out: where the folders go.
        every: keep every so many clips of each split.

    Raises:
        PoseplugError: there are too few clips.
    """
    lab, wild = (sorted((mocap / name).rglob("*.bvh"), key=lambda clip: clip.name) for name in ("lab", "wild"))
    chosen = {
        "train": [clip for i, clip in enumerate(lab) if i % 5 < 3],
        "held_out": lab[3::5],
        "lab_test": lab[4::5],
        "wild": wild,
    }
    folders = {}
    for split in SPLITS:
        if not chosen[split]:
            raise PoseplugError(
                f"'{mocap}' has no clip for '{split}'; expected folders 'lab' and 'wild' of .bvh files."
            )
        folders[split] = (out / "clips" / split).absolute()
        folders[split].mkdir(parents=True, exist_ok=True)
        for clip in chosen[split][::every]:
            with suppress(FileExistsError):
                (folders[split] / clip.name).symlink_to(clip.absolute())
    return folders


def take(source: PoseSource, count: int, device: torch.device) -> PoseBatch:
    """Return ``count`` of a source's poses, spread evenly over it; all of them for 0.

    Raises:
        PoseplugError: all poses of an endless source are asked for.
    """
    if not isinstance(source, FiniteSource):
        if not count:
            raise PoseplugError("This source is endless; say with --poses how many poses to try.")
        return source.sample(count, torch.Generator(device).manual_seed(0))
    chosen = torch.arange(len(source))
    if 0 < count < len(source):
        chosen = torch.linspace(0, len(source) - 1, count, dtype=torch.float64).round().long()
    parts, start = [], 0
    for batch in source.batches(65536):
        inside = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
        parts.append(batch.select(inside.to(batch.device)))
        start += len(batch)
    return PoseBatch.join(parts)
