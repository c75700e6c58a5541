"""Data sets from Python: what ``poseplug data`` does, as functions; ``poseplug.registry.api`` hands them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poseplug.registry.discovery.catalogue import load_catalogue

if TYPE_CHECKING:
    from poseplug.core.interfaces import PoseSource
    from poseplug.registry.datasets.convert import Converted
    from poseplug.registry.datasets.inspect import Inspection


def inspect_data(
    source: str | PoseSource, *, poses: int = 100_000, reference: str = "builtin", seed: int = 0
) -> Inspection:
    """Return what is in a data set (``facts``), and what looks wrong with it (``problems``).

    Args:
        source: as ``--source`` takes it, or a source of one's own.
        poses: look at no more than these; of more, at drawn ones.
        reference: the real poses of a source that is made from some.
        seed: of what is drawn.

    Raises:
        PoseplugError: no such source, or bad data.
    """
    from poseplug.registry.datasets.inspect import inspect
    from poseplug.registry.datasets.opening import open_source

    return inspect(open_source(source, load_catalogue(), seed=seed, reference=reference), poses)


def convert_data(
    source: str | PoseSource,
    out: Path | str,
    *,
    poses: int = 0,
    shard_size: int = 0,
    reference: str = "builtin",
    seed: int = 0,
) -> Converted:
    """Write a data set to a new posefile, or with ``shard_size`` to a new folder of files of so many poses.

    Args:
        source, reference, seed: as in ``inspect_data``.
        out: the file or folder.
        poses: the first so many; a source without end needs a number.
        shard_size: how many poses a file has at most.

    Raises:
        PoseplugError: no such source, bad data, or something is there already.
    """
    from poseplug.registry.datasets.convert import check_free, convert
    from poseplug.registry.datasets.opening import open_source

    check_free(Path(out))
    catalogue = load_catalogue()
    opened = open_source(source, catalogue, seed=seed, reference=reference)
    return convert(opened, Path(out), catalogue, poses=poses, shard_size=shard_size)


def plot_data(
    source: str | PoseSource,
    out: Path | str,
    show: str | Sequence[str] = (),
    *,
    rows: int = 3,
    columns: int = 8,
    against: str | PoseSource | None = None,
    limits: Path | str | None = None,
    reference: str = "builtin",
    seed: int = 0,
) -> None:
    """Write a picture (.png, .pdf, .svg) or a page (.html) of a data set.

    Args:
        source, reference, seed: as in ``inspect_data``.
        out: the file.
        show: one or more of "poses", "cameras", "people", "bones", "directions"; none: the first four.
        rows, columns: of the grid of poses.
        against: a further source, whose directions of limb bones are drawn beside those of the first.
        limits: a file of joint limits, which are drawn about the directions; none: those that ship.

    Raises:
        PoseplugError: no such source, bad data, another suffix, or matplotlib or plotly is not installed.
    """
    from poseplug.registry.datasets.opening import open_source
    from poseplug.registry.datasets.plot import plot

    catalogue = load_catalogue()
    plot(
        open_source(source, catalogue, seed=seed, reference=reference),
        Path(out),
        [show] if isinstance(show, str) else show,
        rows=rows,
        columns=columns,
        against=None if against is None else open_source(against, catalogue, seed=seed, reference=reference),
        limits=None if limits is None else Path(limits),
    )
