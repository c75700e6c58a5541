"""Damaged and hostile variants of files, and what reading one of them may come to."""

import json
import random
import time

import pytest

from poseplug.core.errors import PoseplugError

_LEAVES = (
    *(None, True, "12", "", "\n\x00", [], {}, [[]], -1, 0, 0.5, 3.7, 2**63, 10**25, 10**400, 1e308),
    *(float("nan"), float("inf"), -float("inf"), [1, 2, 3], {"x": 1}, "a" * 5000),
)
_PIECES = (b"", b"\x00", b"\xff\xfe", b"nan", b"-", b"1e999", b"9" * 5000, b'"', b"[" * 50, b"}", b",", b"\n", b";")


def of_bytes(data, count, seed=0):
    """Give variants of any file: cut off, bytes changed, pieces left out, doubled, moved or put in."""
    rng = random.Random(seed)
    for _ in range(count):
        start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        near = min(end, start + rng.choice((1, 1, 4, 40, 400)))
        yield rng.choice(
            (
                lambda s, e, n: data[:s],
                lambda s, e, n: data[:s] + bytes([rng.randrange(256)]) + data[s + 1 :],
                lambda s, e, n: data[:s] + data[n:],
                lambda s, e, n: data[:n] + data[s:],
                lambda s, e, n: data[:s] + rng.choice(_PIECES) + data[s:],
                lambda s, e, n: data[:s] + rng.choice(_PIECES) + data[n:],
                lambda s, e, n: data[:s] + rng.randbytes(n - s) + data[n:],
                lambda s, e, n: data[s:n] + data[:s] + data[n:],
            )
        )(start, end, near)


def of_json(value, count, seed=0):
    """Give variants of a JSON file: values of other types, keys gone, renamed or twice, lists longer or shorter."""
    rng = random.Random(seed)
    for _ in range(count):
        changed = json.loads(json.dumps(value))
        parents = [*_containers(changed)]
        for _ in range(rng.choice((1, 1, 2, 5))):
            _change(rng.choice(parents), rng)
        text = json.dumps(changed)
        if rng.random() < 0.1 and '"' in text:
            key = rng.choice([part for part in text.split('"')[1::2] if part] or ["x"])
            text = text.replace(f'"{key}":', f'"{key}": {json.dumps(rng.choice(_LEAVES[:6]))}, "{key}":', 1)
        yield text.encode()


def _containers(value):
    if isinstance(value, list | dict) and value:
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


def _change(container, rng):
    if not container:
        return
    is_list = isinstance(container, list)
    at = rng.randrange(len(container)) if is_list else rng.choice([*container])
    what = rng.randrange(5)
    if what < 3:
        container[at] = rng.choice(_LEAVES)
    elif what == 3:
        del container[at]
    elif is_list:
        container.insert(at, container[at])
    else:
        container[f"{at}x"] = container.pop(at)


def hostile():
    """Give files that are meant to hurt, whatever the format."""
    yield from (b"", b" \n", b"null", b"0", b'"text"', b"[]", b"{}", b"[[]]", b"[{}]", b"[null, null]", b"\xef\xbb\xbf")
    yield from (b"[" * 200_000, b'{"a":' * 200_000, b'{"annotations": ' + b"[" * 100_000, b'[{"keypoints": ' * 9999)
    yield from (b"\x00" * 3_000_000, b"9" * 3_000_000, b"[" + b"9" * 3_000_000 + b"]", b'["' + b"a" * 20_000_000)
    yield from (b"[" + b"1," * 2_000_000, b"[" + b" " * 3_000_000, b"x," * 1_000_000, b"nose_x,nose_y\n" * 1000)
    yield from (random.Random(0).randbytes(2_000_000), b"PK\x03\x04" + b"\x00" * 500, b"\x93NUMPY" + b"\x00" * 500)
    yield from (b'{"annotations": [], "annotations": []}', b'{"people": 1}', b'[{"image_id": "a", "keypoints": {}}]')


def read_or_refused(read, name, seconds=10.0):
    """Return what reading a variant gives, or None where it was refused in one clear line that names the file."""
    began = time.perf_counter()
    try:
        return read()
    except PoseplugError as error:
        message = str(error)
        assert not {"\n", "\x00"} & {*message}, message
        assert name in message, message
        assert len(message) < 1500, message
        return None
    except Exception as error:
        pytest.fail(f"{type(error).__name__} instead of a PoseplugError: {error}")
    finally:
        assert time.perf_counter() - began < seconds, "it took too long"
