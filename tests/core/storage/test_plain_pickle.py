"""Pickles as other programs write them, and pickles that mean harm."""

import builtins
import collections
import copyreg
import datetime
import io
import os
import pickle
import struct
import subprocess
import time
import tracemalloc

import numpy as np
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.plain_pickle import load_plain_pickle

VALUES = {
    "array": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "permuted": np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "strided": np.arange(10)[::2],
    "other order of bytes": np.arange(3, dtype=">i4"),
    "flags": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "nothing": np.empty((0, 3)),
    "number": np.float64(3.5),
    "objects": np.array([1, "x", None, [2]], dtype=object),
    "list": [1, 2.5, "é", b"\xff\x00", b"", None, True, -3, 10**30, 70_000, 2**31],
    ("S1", "Walking", 3): (1, (2, (3, 4, 5, 6)), ()),
    7: {"deep": {"deeper": [[], {}, "a\nb\\'\""]}},
}


def load(data):
    return load_plain_pickle(io.BytesIO(data), len(data), "'poses.pkl'")


def refusal(data):
    with pytest.raises(PoseplugError) as caught:
        load(data)
    message = str(caught.value)
    assert message.startswith("'poses.pkl'")
    assert "\n" not in message
    return message


class Python2(pickle._Pickler):
    """Writes as Python 2 with NumPy 1 did: all text as strings of bytes, numpy's modules by their old names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        if not self.bin:
            self.write(b"S" + repr(data)[1:].encode() + b"\n")
        elif len(data) < 256:
            self.write(b"U" + bytes([len(data)]) + data)
        else:
            self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_global(self, value, name=None):
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(f"c{module}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text
    dispatch[type] = dispatch[type(len)] = dispatch[type(load)] = save_global


def python2(value, protocol):
    stream = io.BytesIO()
    Python2(stream, protocol).dump(value)
    return stream.getvalue()


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype.kind == b.dtype.kind and a.tolist() == b.tolist()
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("protocol", range(6))
def test_what_python_3_writes(protocol):
    found = load(pickle.dumps(VALUES, protocol))
    assert found.keys() == VALUES.keys()
    for key, value in VALUES.items():
        assert same(value, found[key]), key
        if isinstance(value, np.ndarray):
            assert found[key].shape == value.shape
            assert found[key].flags.writeable


@pytest.mark.parametrize("protocol", range(3))
def test_what_python_2_writes(protocol):
    poses = np.random.default_rng(0).normal(size=(40, 3))
    value = {"sequence": "outdoors_00", "poses": [poses, poses.astype(np.float32)], "genders": ["m"], "long": "x" * 300}
    data = python2(value, protocol)
    assert b"numpy.core.multiarray" in data
    assert pickle.loads(data, encoding="latin1")["sequence"] == "outdoors_00"  # the writer above writes pickles
    found = load(data)
    assert found["sequence"] == "outdoors_00"
    assert found["long"] == "x" * 300
    assert np.array_equal(found["poses"][0], poses)
    assert found["poses"][1].dtype == np.float32


def test_shared_values_stay_shared():
    value = [np.arange(3)]
    first, second = load(pickle.dumps([value, value], 2))
    assert first is second


class Reduced:
    def __init__(self, *made_by):
        self.made_by = made_by

    def __reduce__(self):
        return self.made_by


CALLED = []


def called(*given):
    CALLED.append(given)


HARM = {
    "system": (os.system, ("touch harm",)),
    "popen": (subprocess.Popen, (["touch", "harm"],)),
    "eval": (builtins.eval, ("open('harm', 'w')",)),
    "exec": (builtins.exec, ("open('harm', 'w')",)),
    "import": (builtins.__import__, ("antigravity",)),
    "getattr": (builtins.getattr, ("harm", "upper")),
    "open": (builtins.open, ("harm", "w")),
    "load": (np.load, ("harm",)),
    "reconstructor": (copyreg._reconstructor, (datetime.timedelta, object, None)),
    "own": (called, ("harm",)),
    "ordered": (collections.OrderedDict, ()),
    "bytes": (bytes, (2**40,)),
    "bytearray": (bytearray, (2**40,)),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", HARM)
def test_nothing_is_run(name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    harm = Reduced(*HARM[name])
    for value in (harm, [harm], {"positions": np.array([harm], dtype=object)}, {"a": (1, harm)}):
        refusal(pickle.dumps(value, protocol))
    assert not list(tmp_path.iterdir())
    assert not CALLED


def test_the_message_names_the_global():
    assert "posix.system" in refusal(pickle.dumps(Reduced(os.system, ("true",)), 4))
    assert "subprocess.Popen" in refusal(b"(S'true'\nisubprocess\nPopen\n.")
    assert "BINPERSID" in refusal(b"\x80\x02K\x01Q.")
    assert "NEWOBJ" in refusal(b"\x80\x02cnumpy\nndarray\nK\x01\x85\x81.")
    assert "EXT1" in refusal(b"\x80\x02\x82\x01.")


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n(S'%s'\nK\x00K\x01tR(K\x03S'<'\nNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def array_of(shape, dtype=b"f8", data=b"U\x08" + b"\x00" * 8):
    numbers = b"".join(b"\x8a\x08" + struct.pack("<q", length) for length in shape)
    state = b"(K\x01(" + numbers + b"t" + DTYPE % dtype + b"\x89" + data + b"t"
    return b"\x80\x02" + RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R" + state + b"b."


HUGE = {
    "an array that is larger than its bytes": array_of([2**40]),
    "one of a negative size": array_of([-1]),
    "sizes whose product overflows": array_of([2**32, 2**32]),
    "one of many numbers without a size": array_of([2**40], b"S0", b"U\x00"),
    "one of fields": array_of([1], b"V8"),
    "one of objects that are bytes": array_of([1], b"O8"),
    "one made at its full size": b"\x80\x02"
    + RECONSTRUCT
    + b"(cnumpy\nndarray\n(\x8a\x05\x00\x00\x00\x00\x04tU\x01dtR.",
    "text of 2 GB": b"\x80\x02T\xff\xff\xff\x7fabc.",
    "text of a negative length": b"\x80\x02T\xff\xff\xff\xffabc.",
    "bytes of 2 EB": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x1f" + b"abc.",
    "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f1.",
    "a frame of 2 EB": b"\x80\x04\x95" + b"\xff" * 8,
    "a number of many digits": b"I" + b"9" * 100_000 + b"\n.",
    "nothing": b"",
    "no pickle": b"\x89PNG\r\n\x1a\n",
    "an empty stack": b"\x80\x02.",
    "a mark too few": b"\x80\x02t.",
    "a memo that is not there": b"\x80\x02h\x07.",
    "a list as key": b"\x80\x02}]K\x01s.",
    "a global as value": b"\x80\x02cnumpy\nndarray\n.",
    "a call of an array": b"\x80\x02" + b"cnumpy\nndarray\nK\x05\x85R.",
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_announced_is_not_believed(name):
    tracemalloc.start()
    refusal(HUGE[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_copies_of_what_is_kept_cost_no_more_than_the_file():
    """One string of bytes, filled into array after array: a megabyte would become as many as one likes."""
    text = b"\x80\x02T" + struct.pack("<i", 2**20) + b"\x00" * 2**20 + b"q\x01"
    array = (
        RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(J\x00\x00\x02\x00t" + DTYPE % b"f8" + b"\x89h\x01tb"
    )
    assert load(text + array + b".").shape == (2**17,)
    assert "memory" in refusal(text + array * 1000 + b".")


def test_a_memo_far_away_and_deep_nesting_cost_nothing():
    assert load(b"\x80\x02K\x05r\xff\xff\xff\xff.") == 5
    begin = time.perf_counter()
    nested = load(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    assert isinstance(nested[0][0], list)
    del nested
    assert "key" in refusal(b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.")
    assert time.perf_counter() - begin < 10


def test_laughs_without_end_are_not_counted():
    """Each list holds the one before it twice; as keys they would be hashed 2^64 times."""
    assert len(load(b"\x80\x02]" + b"".join(b"q%c0]h%ch%c\x86" % (i, i, i) for i in range(64)) + b".")) == 2
