"""Files of lifted poses, by suffix; each is written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from poseplug.core.errors import PoseplugError
from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.outputs.bvh import track_files, write_bvh
from poseplug.registry.lifting.outputs.json_file import write_json
from poseplug.registry.lifting.outputs.npz import write_npz
from poseplug.registry.lifting.outputs.pose_file import write_posefile

Writer = Callable[[Path, Lifted], list[Path]]
# A suffix and what writes such files; each returns the files that it has written.
WRITERS: dict[str, Writer] = {".npz": write_npz, ".json": write_json, ".bvh": write_bvh, ".safetensors": write_posefile}


def check_outputs(paths: Sequence[Path], *, force: bool) -> None:
    """Raise PoseplugError if a suffix is not known, or a file is there that nobody allowed to be replaced."""
    for path in paths:
        if path.suffix.lower() not in WRITERS:
            raise PoseplugError(f"--out '{path}': the suffix must be one of {', '.join(WRITERS)}.")
    refuse_existing(paths, force=force)


def refuse_existing(paths: Sequence[Path], *, force: bool) -> None:
    """Raise PoseplugError if a file is there that nobody allowed to be replaced, or a folder has its name."""
    for path in paths:
        if path.is_dir():
            raise PoseplugError(f"'{path}' is a folder; choose another file.")
        if path.exists() and not force:
            raise PoseplugError(f"'{path}' is there already; choose another file, or replace it with --force.")


def refuse_twice(paths: Sequence[Path]) -> None:
    """Raise PoseplugError if two names are of one file."""
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise PoseplugError(f"'{path}' is asked for twice; give each file a name of its own.")


def write(path: Path, lifted: Lifted, *, force: bool = False) -> list[Path]:
    """Write poses to a file of the format that its suffix says; return what was written, of BVH a file a track.

    Raises:
        PoseplugError: it cannot be written, or a track's file is there that nobody allowed to be replaced.
    """
    if path.suffix.lower() == ".bvh":
        refuse_existing([file for file in track_files(path, lifted) if file != path], force=force)
    return WRITERS[path.suffix.lower()](path, lifted)
