"""Key points in a single array of NumPy's: [N, J, 2 or 3], or [T, P, J, 2 or 3]."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.formats.arrays import array_file
from poseplug.core.keypoints.people import Size

# From here on an array stays on the disk and is read as it is used.
_MAPPED = 1 << 20


def open_npy(path: Path, skeleton: Skeleton | None, size: Size | None) -> KeypointFile:
    """Open an array: rows are people, frames count from 0; of frames, places are tracks and empty ones are left out."""
    try:
        if path.stat().st_size > _MAPPED:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with path.open("rb") as file:
                values = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None
    except Exception as error:  # whatever NumPy makes of damage
        raise PoseplugError(
            f"'{path}': not a whole array of numbers ({one_line(error)[:120]}); write it again."
        ) from None
    return array_file("npy", path, values, skeleton, size)
