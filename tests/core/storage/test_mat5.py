"""MAT files as scipy writes them, and files whose sizes are not true."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io
from published import cells

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.mat5 import MatFile

RNG = np.random.default_rng(4)
CELLS = [RNG.normal(size=(5, 3)), np.arange(6, dtype=np.int64).reshape(2, 3), np.empty((0, 4)), np.float32([[1.5]])]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "annot.mat"


@pytest.mark.parametrize("compress", [True, False])
def test_cells_of_numbers(path, compress):
    others = {"text": "a person", "number": 3.5, "struct": {"a": np.arange(3)}, "b": True}
    scipy.io.savemat(path, {**others, "annot": cells(CELLS), "last": np.arange(3)}, do_compression=compress)
    found = MatFile(path).cells("annot", [2, 0, 1, 3])
    for array, number in zip(found, (2, 0, 1, 3), strict=True):
        assert array.shape == CELLS[number].shape
        assert np.array_equal(array, CELLS[number])
    assert MatFile(path).cells("annot", []) == []


def refusal(path, name="annot", wanted=(0,)):
    tracemalloc.start()
    with pytest.raises(PoseplugError) as caught:
        MatFile(path).cells(name, wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert "annot.mat" in str(caught.value)
    return str(caught.value)


def test_what_is_not_there_and_what_is_no_number(path):
    facts = {"annot": cells([np.ones(2), np.ones(2) * 1j, np.array(["x"])]), "plain": np.ones(3)}
    scipy.io.savemat(path, facts)
    assert "no array 'other'; it has annot, plain" in refusal(path, "other")
    assert "has 3 cells; expected 8 or more" in refusal(path, wanted=[7])
    assert "no array of real numbers" in refusal(path, wanted=[1])
    assert "no array of real numbers" in refusal(path, wanted=[2])
    assert "'plain' is no cell array" in refusal(path, "plain")


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def element(kind, data, size=None):
    size = len(data) if size is None else size
    return struct.pack("<II", kind, size) + data + b"\x00" * (-len(data) % 8)


def matrix(kind, shape, contents, name=b"annot"):
    lengths = struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, struct.pack("<II", kind, 0)) + element(5, lengths) + element(1, name) + contents)


DOUBLE = matrix(6, (1, 2), element(9, np.arange(2.0).tobytes()), b"")


def test_the_writer_of_this_test(path):
    path.write_bytes(HEADER + matrix(1, (1, 1), DOUBLE))
    assert MatFile(path).cells("annot", [0])[0].tolist() == [[0, 1]]
    packed = zlib.compress(matrix(1, (1, 1), DOUBLE))
    path.write_bytes(HEADER + struct.pack("<II", 15, len(packed)) + packed)
    assert MatFile(path).cells("annot", [0])[0].tolist() == [[0, 1]]


HOSTILE = {
    "more cells than there are": matrix(1, (2**30, 1), DOUBLE),
    "more numbers than there are": matrix(1, (1, 1), matrix(6, (2**30, 2**30), element(9, b"\x00" * 8), b"")),
    "more bytes than there are": matrix(1, (1, 1), matrix(6, (1, 2), element(9, b"\x00" * 16, 2**31), b"")),
    "a negative shape": matrix(1, (1, 1), matrix(6, (-1, -2), element(9, b"\x00" * 16), b"")),
    "no shape": matrix(1, (), DOUBLE),
    "a kind of numbers that is not": matrix(1, (1, 1), matrix(6, (1, 2), element(99, b"\x00" * 16), b"")),
    "no numbers": matrix(1, (1, 1), matrix(6, (1, 2), b"", b"")),
    "a cell that is a number": matrix(1, (1, 1), element(9, b"\x00" * 8)),
    "no array": element(9, b"\x00" * 8),
    "a tag cut off": b"\x0e\x00\x00",
    "packed text": struct.pack("<II", 15, 4) + b"text",
    "packed nothing": struct.pack("<II", 15, len(zlib.compress(b""))) + zlib.compress(b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sizes_are_not_believed(name, path):
    path.write_bytes(HEADER + HOSTILE[name])
    refusal(path)


def test_bombs_are_not_unpacked(path):
    begin = matrix(1, (1, 1), DOUBLE)[8:]
    size = 80_000_000
    packed = zlib.compress(struct.pack("<II", 14, size) + begin + bytes(size - len(begin)))
    path.write_bytes(HEADER + struct.pack("<II", 15, len(packed)) + packed)
    assert "far more than its file can hold" in refusal(path)
    # One that says less than it is.
    packed = zlib.compress(struct.pack("<II", 14, len(begin)) + begin + bytes(size))
    path.write_bytes(HEADER + struct.pack("<II", 15, len(packed)) + packed)
    assert "and has others" in refusal(path)


def test_other_versions(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 200)
    assert "no MAT file of version 5" in refusal(path)
    path.write_bytes(b"")
    assert "no MAT file of version 5" in refusal(path)
    path.unlink()
    assert "Cannot read" in refusal(path)


PEOPLE = [
    {"pose": np.arange(6.0).reshape(2, 3), "valid": True, "name": "ann"},
    {"pose": np.ones((1, 1)), "valid": False},
]


@pytest.mark.parametrize("compress", [True, False])
def test_cells_of_structures(path, compress):
    people = np.empty((2, 2), object)
    people[0, 0], people[1, 0], people[0, 1], people[1, 1] = PEOPLE[0], PEOPLE[1], np.empty((0, 0)), PEOPLE[0]
    scipy.io.savemat(path, {"annot": people, "last": 1.0}, do_compression=compress)
    shape, found = MatFile(path).structures("annot", ["pose", "valid"])
    assert shape == (2, 2)
    assert found[2] is None
    for place, number in ((0, 0), (1, 1), (3, 0)):
        assert np.array_equal(found[place]["pose"], PEOPLE[number]["pose"])
        assert found[place]["valid"].item() == PEOPLE[number]["valid"]
        assert found[place].keys() == {"pose", "valid"}


def refused(path, fields=("pose",)):
    with pytest.raises(PoseplugError) as caught:
        MatFile(path).structures("annot", fields)
    return str(caught.value)


def test_what_is_no_cell_of_structures(path):
    scipy.io.savemat(path, {"annot": cells([PEOPLE[0], {"other": 1}])})
    assert "structure of 'annot' has no field 'pose'" in refused(path)
    scipy.io.savemat(path, {"annot": cells(PEOPLE[:1])})
    assert "is no array of real numbers" in refused(path, ["name"])
    scipy.io.savemat(path, {"annot": cells([np.ones(3)])})
    assert "is no single structure" in refused(path)
    scipy.io.savemat(path, {"annot": np.ones(3)})
    assert "'annot' is no cell array" in refused(path)


def structure(width, names, fields):
    head = element(5, struct.pack("<i", width)) + element(1, names)
    return matrix(1, (1, 1), matrix(2, (1, 1), head + fields, b""))


@pytest.mark.parametrize(
    ("width", "names", "fields", "message"),
    [
        (8, b"pose".ljust(8, b"\0"), DOUBLE, ""),
        (0, b"pose", DOUBLE, "names of 0 bytes in 4"),
        (-4, b"pose", DOUBLE, "names of -4 bytes in 4"),
        (3, b"pose", DOUBLE, "names of 3 bytes in 4"),
        (4, b"poseothe", DOUBLE, "a structure of 2 fields with 1 of them"),
        (4, b"pose", DOUBLE * 2, "a structure of 1 fields with 2 of them"),
        (4, b"pose", DOUBLE[:-4], "ends within an array"),
    ],
)
def test_structures_whose_sizes_are_not_true(path, width, names, fields, message):
    path.write_bytes(HEADER + structure(width, names, fields))
    if message:
        assert message in refused(path)
    else:
        assert MatFile(path).structures("annot", ["pose"])[1][0]["pose"].tolist() == [[0, 1]]
