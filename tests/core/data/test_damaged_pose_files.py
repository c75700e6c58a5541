"""A damaged posefile is read as far as it is right, or refused in one line that names it."""

import json
import random
import resource
import struct
import time

import numpy as np
import pytest
from posefiles import about, poses

from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.pose_file_writer import write_pose_file
from poseplug.core.errors import PoseplugError

N = 40


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "poses.safetensors"
    write_pose_file(path, [poses(N)], about(made_by="here"), N)
    return path.read_bytes()


def parted(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def together(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read(path):
    """Read everything there is; return whether it was refused, in one line that names the file."""
    try:
        file = PoseFile(path)
        found = file.rows(np.arange(len(file))[::-1])
        for label in file.about.label_names:
            file.label(label)
    except PoseplugError as error:
        said = str(error)
    else:
        assert len(found) == len(file) > 0
        assert all(tensor.isfinite().all() for tensor in (found.poses.joints_2d, found.poses.camera.focal))
        for label, classes in found.poses.labels.items():
            assert 0 <= classes.min() <= classes.max() < len(file.about.label_names[label])
        return False
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 500
    return True


def flipped(content, rng, within):
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        damaged[rng.randrange(within)] = rng.randrange(256)
    return bytes(damaged)


def cut(content, rng):
    at = rng.randrange(len(content))
    return rng.choice((content[:at], content[:at] + content[at + rng.randrange(1, 9) :], content + content[:at]))


def edited(content, rng):
    """Another value somewhere in the header."""
    header, data = parted(content)
    facts = json.loads(header["__metadata__"]["poseplug"])
    strange = (None, -1, 1 << 70, 1.5, "x", [], {}, [[]], ["x", "x"], {"a": 1}, float("nan"), True)
    if rng.random() < 0.5:
        place = header[rng.choice([key for key in header if key != "__metadata__"])]
        if rng.random() < 0.5:
            place[rng.choice(list(place))] = rng.choice((*strange, "F64", "I64", "U8", [0], [N, 2], [0, 8], [8, 0]))
        else:
            shape = place[rng.choice(("shape", "data_offsets"))]
            shape[rng.randrange(len(shape))] = rng.choice((*strange, 0, 1, 2, N - 1, N + 1))
    else:
        place, key = facts, rng.choice(list(facts))
        if isinstance(facts[key], dict) and facts[key] and rng.random() < 0.7:
            place, key = facts[key], rng.choice(list(facts[key]))
        if rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice(strange)
    header["__metadata__"]["poseplug"] = json.dumps(facts)
    return together(header, data)


def renamed(content, rng):
    """A tensor of another name, none, or two that lie on one another."""
    header, data = parted(content)
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    entry = header.pop(name)
    new = rng.choice((None, "joints_9d", "labels/", "labels/mood", "cameras/roll", rng.choice(names)))
    return together(header if new is None else {**header, new: entry}, data)


KINDS = {
    "bytes of the header": lambda c, rng: flipped(c, rng, 2500),
    "bytes of anything": lambda c, rng: flipped(c, rng, len(c)),
    "cut": cut,
    "values of the header": edited,
    "names": renamed,
}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_told_or_does_no_harm(sound, tmp_path, kind):
    rng, path, refused = random.Random(kind), tmp_path / "poses.safetensors", 0
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for _ in range(150):
        path.write_bytes(KINDS[kind](sound, rng))
        refused += read(path)
    assert refused > (10 if kind == "bytes of anything" else 90)
    assert time.perf_counter() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"


def changed(sound, path, name, row, value):
    """Write the file with another number in a tensor."""
    header, data = parted(sound)
    entry = header[name]
    kind = {"F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}[entry["dtype"]]
    array, at = bytearray(data), entry["data_offsets"][0] + row * np.dtype(kind).itemsize
    array[at : at + np.dtype(kind).itemsize] = np.array(value, kind).tobytes()
    path.write_bytes(together(header, bytes(array)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("joints_3d", np.nan, "pose 0 has a number that is none in 'joints_3d'"),
        ("joints_2d", np.inf, "pose 0 has a number that is none in 'joints_2d'"),
        ("cameras/rotation", -np.inf, "has a number that is none in 'cameras/rotation'"),
        ("camera", 3, "a pose has a camera that is not there"),
        ("camera", -1, "a pose has a camera that is not there"),
        ("labels/action", 3, "a class of label 'action' has no name"),
        ("labels/subject", -1, "a class of label 'subject' has no name"),
    ],
)
def test_numbers_that_cannot_be_are_found_when_they_are_read(sound, tmp_path, name, value, message):
    path = tmp_path / "poses.safetensors"
    changed(sound, path, name, 0, value)
    file = PoseFile(path)
    with pytest.raises(PoseplugError, match=message) as refused:
        file.rows(np.arange(N))
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "There is no file or folder .*; posefiles are written by: poseplug data convert"),
        (lambda path: path.mkdir(), "holds no posefile; expected part-00000.safetensors"),
        (lambda path: path.write_bytes(b""), "is damaged, or no file of poseplug's: it is empty"),
        (lambda path: path.write_bytes(b"\xff" * 100), "its header would have"),
        (lambda path: path.write_bytes(together({"a": 1}, b"")), "there is no '__metadata__'"),
        (lambda path: path.write_bytes(together({"__metadata__": {"poseplug": "[" * 5000}}, b"")), "is no posefile"),
        (lambda path: path.write_bytes(b"{" * 300), "is damaged"),
    ],
)
def test_what_is_no_posefile_is_named(tmp_path, make, message):
    path = tmp_path / "poses"
    make(path)
    with pytest.raises(PoseplugError, match=message) as refused:
        PoseFile(path)
    assert str(path) in str(refused.value)


def test_a_later_format_is_told(sound, tmp_path):
    header, data = parted(sound)
    facts = {**json.loads(header["__metadata__"]["poseplug"]), "format_version": 2}
    header["__metadata__"]["poseplug"] = json.dumps(facts)
    path = tmp_path / "poses"
    path.write_bytes(together(header, data))
    with pytest.raises(PoseplugError, match="was written by a later poseplug; install that version"):
        PoseFile(path)
