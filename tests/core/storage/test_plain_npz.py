"""Archives of arrays as numpy writes them, and archives that mean harm."""

import io
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.plain_npz import read_npz

ARRAYS = {
    "positions": np.array({"S1": {"Walking": np.ones((4, 32, 3), np.float32)}}, dtype=object),
    "list": np.array([None, "x"], dtype=object),
    "pixels": np.arange(12.0).reshape(2, 3, 2),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "number": np.array(7),
    "empty": np.empty((0, 2)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "poses.npz"


def refusal(path, *names):
    with pytest.raises(PoseplugError) as caught:
        read_npz(path, names or ["x"])
    assert "poses.npz" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_what_numpy_writes(path, write):
    write(path, **ARRAYS)
    found = read_npz(path, ARRAYS, ["metadata"])
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == array.dtype
        if name != "positions":
            assert np.array_equal(found[name], array)
    assert np.array_equal(found["positions"].item()["S1"]["Walking"], np.ones((4, 32, 3)))


def test_only_what_is_asked_for_is_read(path):
    np.savez(path, x=np.arange(3), harm=np.array([Harm()], dtype=object))
    assert read_npz(path, ["x"])["x"].tolist() == [0, 1, 2]
    assert "holds no array 'y'; it has harm, x." in refusal(path, "y")


class Harm:
    def __reduce__(self):
        return os.system, ("touch harm",)


def test_nothing_is_run(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for value in (np.array(Harm(), dtype=object), np.array([[1, Harm()]], dtype=object)):
        np.savez(path, x=value)
        assert "array 'x' asks for posix.system" in refusal(path)
    assert [file.name for file in tmp_path.iterdir()] == ["poses.npz"]


def member(path, data, compression=zipfile.ZIP_DEFLATED, name="x.npy"):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, data)


def npy(header, data=b"", version=b"\x01\x00"):
    text = header.encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little") + text + data


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s}\n"
HOSTILE = {
    "a shape beyond its bytes": npy(HEADER % ("<f8", "(1099511627776,)"), b"\x00" * 8),
    "a negative shape": npy(HEADER % ("<f8", "(-1,)"), b"\x00" * 8),
    "a shape of products": npy(HEADER % ("<f8", "(4294967296, 4294967296)"), b"\x00" * 8),
    "numbers without a size": npy(HEADER % ("<S0", "(1099511627776,)")),
    "no shape": npy("{'descr': '<f8', 'fortran_order': False}\n"),
    "a call as header": npy("__import__('os').system('touch harm')\n"),
    "a deep header": npy("(" * 9000),
    "a long header": npy(" " * 60_000),
    "other version": npy(HEADER % ("<f8", "(1,)"), b"\x00" * 8, b"\x03\x00"),
    "fields": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}\n", b"\x00" * 8),
    "too many bytes": npy(HEADER % ("<f8", "(1,)"), b"\x00" * 9),
    "too few": npy(HEADER % ("<f8", "(2,)"), b"\x00" * 9),
    "an object array that is a list": npy(HEADER % ("|O", "(2,)"), pickle.dumps([1, 2])),
    "an object array of another shape": npy(HEADER % ("|O", "(3,)"), pickle.dumps(np.array([1, None], object))),
    "more after the pickle": npy(HEADER % ("|O", "(2,)"), pickle.dumps(np.array([1, None], object)) + b"more"),
    "no array": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_headers_are_not_believed(name, path, tmp_path):
    member(path, HOSTILE[name])
    tracemalloc.start()
    refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert [file.name for file in tmp_path.iterdir()] == ["poses.npz"]


def test_bombs_are_not_unpacked(path):
    size = 80_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as stream:
        stream.write(npy(HEADER % ("|u1", f"({size},)")))
        for _ in range(size // 10**6):
            stream.write(bytes(10**6))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    assert "far more than its file can hold" in refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(path, compression):
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    member(path, stream.getvalue(), compression)
    assert "compressed in a way" in refusal(path)


def test_no_archive(path):
    refusal(path)
    path.write_bytes(b"PK\x03\x04")
    refusal(path)
    path.unlink()
    path.mkdir()
    refusal(path)
