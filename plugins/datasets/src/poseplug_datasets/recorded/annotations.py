"""Checking what annotation files hold, with messages that say where something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError, one_line
from poseplug_datasets.recorded.imaged import FARTHEST_M, NEAREST_M

# No frame of a file is wider than this many metres or pixels.
_LARGEST = 1e6


def numbers(
    value: Any,
    where: str,
    *shape: int | None,
    rows: NDArray[np.bool_] | None = None,
    of: str = "frame",
    kinds: str = "fiu",
) -> NDArray[Any]:
    """Return an array of finite numbers of a shape, in which None stands for any length.

    Args:
        value: what the file holds.
        where: how messages call it.
        shape: the lengths of its axes.
        rows: which of the first axis are returned; the others may hold anything. None: all.
        of: what the first axis counts.
        kinds: the kinds of data types that are understood, as numpy calls them.

    Raises:
        PoseplugError: it is no array of numbers of this shape, or holds NaN or infinities; the message says where.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise PoseplugError(f"{where} is no array of numbers.")
    fits = len(shape) == value.ndim and all(w in (None, n) for w, n in zip(shape, value.shape, strict=True))
    if not fits:
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        found = " x ".join(map(str, value.shape)) or "one number"
        raise PoseplugError(f"{where} is an array of {found}; expected {wanted}.")
    chosen = value if rows is None else value[rows]
    # Also in float32, which everything is turned into, this is finite.
    good = (chosen > -_LARGEST) & (chosen < _LARGEST)
    if not good.all():
        place = tuple(np.argwhere(~good)[0])
        row = place[0] if rows is None else np.flatnonzero(rows)[place[0]]
        raise PoseplugError(f"{where} holds {chosen[place]} in {of} {row}; expected numbers below {_LARGEST:.0e}.")
    return chosen


def check_depths(depths: NDArray[Any], where: str) -> None:
    """Refuse poses whose depths [T, J] in metres no camera films; the message says in which frame."""
    wrong = np.argwhere((depths < NEAREST_M) | (depths > FARTHEST_M))
    if len(wrong):
        frame, joint = wrong[0]
        raise PoseplugError(
            f"{where}, frame {frame}: a joint is {depths[frame, joint]:.4g} m in front of its camera; expected "
            f"{NEAREST_M:g} to {FARTHEST_M:g} m. The file is damaged, or its unit is another."
        )


def plain_dict(value: Any, where: str) -> dict[str, Any]:
    """Return a dictionary with names that a file holds, also in an array of one object; PoseplugError if it is none."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject and value.ndim == 0:
        value = value.item()
    if not isinstance(value, dict):
        raise PoseplugError(f"{where} is no dictionary.")
    nameless = [key for key in value if not isinstance(key, str) or not key.strip() or not key.isprintable()]
    if nameless:
        raise PoseplugError(f"{where} has an entry without a name: {one_line(nameless[0])!r:.40}.")
    return value


def wanted_file(path: Path, what: str, source: str, place: str) -> PoseplugError:
    """Return the error for those who lack a file: what is wanted, from whom it is to be had, where to put it."""
    return PoseplugError(f"There is no '{path}'. Wanted is {what}. It is to be had from {source}. {place}")
