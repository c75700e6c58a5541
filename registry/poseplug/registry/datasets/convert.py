"""``poseplug data convert``: the poses of any source as a posefile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from poseplug.core import __version__
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_writer import write_pose_file, write_pose_set
from poseplug.core.data.stored_poses import About
from poseplug.core.errors import PoseplugError
from poseplug.registry.datasets.opening import Opened, Progress, input_files
from poseplug.registry.discovery.catalogue import Catalogue


@attrs.frozen
class Converted:
    """What was written.

    Attributes:
        path: the file or folder.
        poses: how many.
        bytes: how long it is, or its files are together.
        inputs: how many files it was made from.
    """

    path: Path
    poses: int
    bytes: int
    inputs: int


def check_free(out: Path) -> None:
    """Raise PoseplugError if something is where a data set is to be written."""
    if out.exists() or out.is_symlink():
        raise PoseplugError(f"'{out}' is there already, and nothing is replaced; choose another place, or remove it.")


def convert(
    opened: Opened,
    out: Path,
    catalogue: Catalogue,
    *,
    poses: int = 0,
    shard_size: int = 0,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """Write a source's poses to a posefile; it is there when it is complete, and not at all before.

    Of scenes the people are written, with their scene's number and camera: neither images nor scenes without anybody.

    Args:
        opened: the source.
        out: a new file, or with ``shard_size`` a new folder.
        catalogue: says which versions made it.
        poses: the first so many, or so many drawn at random of a source without end; 0: all. Scenes stay whole, so that
            of these it may be a few less.
        shard_size: at most so many poses in a file; 0: one file.
        progress: told how far it is.

    Raises:
        PoseplugError: something is there; a source without end and no number; a number that is none.
    """
    check_free(out)
    if min(poses, shard_size) < 0:
        raise PoseplugError(f"Numbers of poses must be at least 0; got {min(poses, shard_size)}.")
    if opened.poses is None and not poses:
        raise PoseplugError(f"'{opened.said}' has no end; say how many poses to write with --poses N.")
    most = min(filter(None, (opened.poses, poses)), default=0)
    source = opened.source
    about = About(
        skeleton=source.skeleton,
        label_names={name: tuple(classes) for name, classes in source.label_names.items()},
        made_by=opened.said,
        made_with={"poseplug": __version__, **catalogue.versions()},
        inputs=input_files(opened),
    )

    def told() -> Iterator[PoseBatch]:
        done, scenes = 0, 0
        for batch in opened.in_order(most):
            if batch.scenes is None:
                yield batch
            else:  # numbered over all batches
                yield attrs.evolve(batch, scene=batch.scene_rows + scenes, scenes=None)
                scenes += batch.num_scenes
            done += len(batch)
            progress(done, most)

    if shard_size:
        count = write_pose_set(out, told(), about, min(shard_size, most))
        size = sum(part.stat().st_size for part in out.iterdir())
    else:
        count, size = write_pose_file(out, told(), about, most), out.stat().st_size
    return Converted(out, count, size, len(about.inputs))
