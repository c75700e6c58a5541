"""Data sets from Python: what ``poseplug data`` does, as functions; ``poseplug.registry.api`` hands them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseplug.registry.discovery.catalogue import load_catalogue

if TYPE_CHECKING:
    from poseplug.core.anatomy.joint_limits import JointLimits
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
    model: Path | str | None = None,
    reference: str = "builtin",
    seed: int = 0,
) -> None:
    """Write a picture (.png, .pdf, .svg) or a page (.html) of a data set.

    Args:
        source, reference, seed: as in ``inspect_data``.
        out: the file.
        show: one or more of "poses", "cameras", "people", "bones", "directions", "scenes"; none: the first four.
        rows, columns: of the grid of poses; rows is also how many scenes there are.
        against: a further source, whose directions of limb bones are drawn beside those of the first.
        limits: a file of joint limits, which are drawn about the directions; none: those that ship.
        model: a finished run, or the name of a trained model, whose findings are drawn beside the people of scenes.

    Raises:
        PoseplugError: no such source or run, bad data, another suffix, or matplotlib or plotly is not installed.
    """
    from poseplug.registry.datasets.opening import open_source
    from poseplug.registry.datasets.plot import plot
    from poseplug.registry.datasets.scenes.shown import Predictor

    catalogue = load_catalogue()
    plot(
        open_source(source, catalogue, seed=seed, reference=reference),
        Path(out),
        [show] if isinstance(show, str) else show,
        rows=rows,
        columns=columns,
        against=None if against is None else open_source(against, catalogue, seed=seed, reference=reference),
        limits=None if limits is None else Path(limits),
        predictor=None if model is None else Predictor.named(str(model), catalogue),
    )


def learn_limits(
    *sources: str | PoseSource, poses: int = 0, reference: str = "builtin", seed: int = 0, **settings: Any
) -> JointLimits:
    """Return joint limits learned from the poses of data sets; ``save`` writes them to a file.

    Args:
        sources: as in ``inspect_data``.
        poses: the first so many of each; a source without end needs a number.
        reference, seed: as in ``inspect_data``.
        settings: those of ``LimitSettings``: margin, parent_margin, ranges, ...

    Raises:
        PoseplugError: no such source or setting, bad data, or a source without 3D or limbs.
    """
    from poseplug.core.anatomy.learn_limits import LimitSettings
    from poseplug.core.errors import PoseplugError
    from poseplug.registry.datasets.limits import learn
    from poseplug.registry.datasets.opening import open_source

    try:
        chosen = LimitSettings(**settings)
    except (TypeError, ValueError) as error:
        raise PoseplugError(f"Settings of joint limits: {error}.") from error
    catalogue = load_catalogue()
    return learn(
        [open_source(said, catalogue, seed=seed, reference=reference) for said in sources], chosen, poses=poses
    )


def check_limits(
    source: str | PoseSource,
    limits: JointLimits | None = None,
    *,
    poses: int = 100_000,
    reference: str = "builtin",
    seed: int = 0,
) -> Mapping[str, Any]:
    """Return which share of a data set's poses ("accepted"), and of each bone ("bones"), is within joint limits.

    Args:
        source, poses, reference, seed: as in ``inspect_data``.
        limits: those that come with poseplug where none are given.

    Raises:
        PoseplugError: no such source, bad data, or a source without 3D or limbs.
    """
    from poseplug.core.anatomy.joint_limits import JointLimits
    from poseplug.registry.datasets.limits import hold
    from poseplug.registry.datasets.opening import open_source

    opened = open_source(source, load_catalogue(), seed=seed, reference=reference)
    return hold(opened, limits or JointLimits.default(), poses).facts
