"""Text files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

from poseplug.core.errors import PoseplugError


def write_text(path: Path, text: str) -> None:
    """Write a text file; a reader sees the old file or the new one, never a part."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file under a temporary name, and move it into place when it is complete and on the disk.

    Raises:
        PoseplugError: it cannot be written (disk full, no permission).
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise PoseplugError(f"Cannot write '{path}': {error}. Free some space or choose another place.") from error
    finally:
        if temporary.exists():
            temporary.unlink()


def left_behind(path: Path) -> list[Path]:
    """Return the temporary files of processes that were killed while they wrote this file whole."""
    return [found for found in path.parent.glob(f".{path.name}.*") if re.fullmatch(r"\.[0-9a-f]{32}", found.suffix)]
