"""Where annotations lie while they are made: a folder beside the posefile, with one JSON file for each image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.files import left_behind, write_text
from poseplug.registry.annotation.people import Annotated, read_annotated

# How the posefiles that are written begin to say who made them.
MADE_BY = "poseplug data annotate"
_FORMAT = {"format": "annotations", "format_version": 1}


class AnnotationFolder:
    """The folder ``NAME.annotations`` beside ``NAME.safetensors``, which nobody else writes to until it is closed.

    Args:
        out: the posefile.
        skeleton: of the people.

    Raises:
        PoseplugError: the posefile is there and the folder is not; the folder holds something else, or people of
            another skeleton; somebody else writes to it; it cannot be made.
    """

    def __init__(self, out: Path, skeleton: Skeleton) -> None:
        self.path, self.skeleton = folder_of(out), skeleton
        about = self.path / "about.json"
        begun = about.exists() or _is_empty(self.path)
        strange = [path for path, ours in ((self.path, begun), (out, _is_ours(out))) if not ours]
        for there in strange:
            if there.exists() or there.is_symlink():
                raise PoseplugError(
                    f"'{there}' is there already, and was not made by annotating; nothing is replaced. Choose another "
                    "--out, or remove it."
                )
        if out not in strange and not about.exists():
            raise PoseplugError(
                f"'{self.path}', from which '{out}' was made, is gone; nothing is replaced. Restore it, choose another "
                "--out, or remove the posefile."
            )
        self._new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise PoseplugError(
                f"Somebody annotates into '{out}' already; go to their page, stop them, or choose another --out."
            ) from None
        except OSError as error:
            raise PoseplugError(f"Cannot write to '{self.path}': {error.strerror or error}.") from None
        try:
            self._check(about, out)
        except PoseplugError:
            self.close()
            raise

    def close(self) -> None:
        """Let others write to it; of one that was made for nothing, nothing is left."""
        if self._new and not any((self.path / "images").rglob("*.json")):
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()

    def every(self) -> Iterator[Annotated]:
        """Give what was annotated in each image, in the order of their names; raise PoseplugError if one is damaged."""
        for path in sorted((self.path / "images").rglob("*.json")):
            yield read_annotated(_loaded(path), self.skeleton.num_joints, f"'{path}'")

    def write(self, annotated: Annotated) -> None:
        """Keep what was annotated in an image: when this returns, it is on the disk.

        Raises:
            PoseplugError: it cannot be written.
        """
        path = self.path / "images" / f"{annotated.name}.json"
        write_text(path, json.dumps(annotated.told(), allow_nan=False))

    def _check(self, about: Path, out: Path) -> None:
        wanted = {"joints": list(self.skeleton.joints), "parents": list(self.skeleton.parents)}
        if not about.exists():
            write_text(about, json.dumps({**_FORMAT, "skeleton": {"name": self.skeleton.name, **wanted}}, indent=2))
        found = _loaded(about)
        try:
            if found["format"] != _FORMAT["format"]:
                raise ValueError("it is something else")
            if found["format_version"] > _FORMAT["format_version"]:
                raise PoseplugError(f"'{about}' was written by a later poseplug; install that version to go on.")
            skeleton = found["skeleton"]
            same = {name: skeleton[name] for name in wanted} == wanted
        except (KeyError, TypeError, ValueError) as error:
            raise PoseplugError(f"'{about}' is damaged, or not poseplug's: {one_line(error)}.") from None
        if not same:
            raise PoseplugError(
                f"The people in '{self.path}' are of skeleton '{skeleton.get('name', '?')}'; go on with it, by "
                "--skeleton, or choose another --out."
            )
        unfinished = [path.with_name(path.stem[1:]) for path in (self.path / "images").rglob(".*.json.*")]
        for stale in {stale for path in (out, *unfinished) for stale in left_behind(path)}:
            stale.unlink(missing_ok=True)


def folder_of(out: Path) -> Path:
    """Return the folder of annotations that belongs to a posefile; raise PoseplugError if it is no posefile's name."""
    if out.suffix != ".safetensors":
        raise PoseplugError(f"--out '{out}' must end with .safetensors, since it is a posefile.")
    return out.with_suffix(".annotations")


def _is_empty(folder: Path) -> bool:
    """Say whether nothing is in a folder but what processes leave that are killed as they begin."""
    return folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir())


def _is_ours(out: Path) -> bool:
    try:
        return PoseFile(out).about.made_by.startswith(MADE_BY)
    except PoseplugError:
        return False


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PoseplugError(f"Cannot read '{path}': {one_line(error)}. Restore it, or remove it.") from None
