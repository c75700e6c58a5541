"""Reading npz and npy files, also of object arrays, without running anything and without trusting their sizes."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.storage.plain_pickle import load_plain_pickle

# Poses hardly compress; of a file of zeros, deflate makes a thousandth.
_EXPANSION = 100
_SMALL = 64 * 2**20


def most_bytes(size: int) -> int:
    """Return how many bytes what is compressed in ``size`` bytes may announce to be."""
    return max(_SMALL, _EXPANSION * size)


def read_npz(path: Path, names: Collection[str], optional: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """Return named arrays of an npz archive, and those of ``optional`` that it has; the others are not read.

    Object arrays are read by ``load_plain_pickle``: what they hold is arrays, containers, text and numbers.

    Raises:
        PoseplugError: no such file, a name that it lacks, or a damaged or hostile one; names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            lacking = [name for name in names if name not in members]
            if lacking:
                held = one_line(", ".join(sorted(members)[:20]) or "none")
                raise PoseplugError(f"'{path}' holds no array '{lacking[0]}'; it has {held}.")
            wanted = [*names, *(name for name in optional if name in members)]
            return {name: _member(archive, members[name], path, name) for name in wanted}
    except PoseplugError:
        raise
    # What zipfile, zlib and numpy raise for archives and headers that are damaged is listed nowhere.
    except Exception as error:
        raise PoseplugError(f"'{path}' is damaged, or no npz archive: {one_line(error).rstrip('.')}.") from error


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of an npy file; one of objects is read as those of ``read_npz`` are.

    Raises:
        PoseplugError: no such file, or a damaged or hostile one; names the file.
    """
    try:
        with path.open("rb") as stream:
            array = _read_npy(stream, path.stat().st_size, f"'{path}'")
            if stream.read(1):
                raise PoseplugError(f"'{path}' goes on after its end.")
            return array
    except PoseplugError:
        raise
    # What numpy raises for damaged headers is listed nowhere.
    except Exception as error:
        raise PoseplugError(f"'{path}' is damaged, or no npy file: {one_line(error).rstrip('.')}.") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, name: str) -> NDArray[Any]:
    where = f"'{path}', array '{name}',"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise PoseplugError(f"{where} is compressed in a way that numpy does not write.")
    if info.file_size > most_bytes(min(info.compress_size, path.stat().st_size)):
        raise PoseplugError(f"{where} announces {info.file_size:,} bytes, far more than its file can hold.")
    with archive.open(info) as member, io.BufferedReader(member, 2**16) as stream:  # type: ignore[type-var]
        array = _read_npy(stream, info.file_size, where)
        if stream.read(1):
            raise PoseplugError(f"{where} goes on after its end.")
    return array


def _read_npy(stream: BinaryIO, size: int, where: str) -> NDArray[Any]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise PoseplugError(f"{where} is of a version of numpy's format that is not known here: {version}.")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    left = size - stream.tell()
    if dtype.kind == "O":
        array = load_plain_pickle(stream, left, where.removesuffix(","))
        if not isinstance(array, np.ndarray) or array.shape != shape:
            raise PoseplugError(f"{where} does not hold what its header says.")
        return array
    if dtype.kind not in "biufSU" or math.prod(shape) * dtype.itemsize != left or not dtype.itemsize:
        raise PoseplugError(f"{where} should hold {shape} of {dtype}, and has {left:,} bytes.")
    values = np.frombuffer(stream.read(left), dtype) if left else np.empty(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C")
