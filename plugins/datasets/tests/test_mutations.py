"""Files that were cut off, overwritten or meant to do harm: a correct read, or one line that names the file."""

import copy
import json
import os
import pickle
import random
import resource
import time

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from published import (
    cells,
    h36m_people,
    h36m_pixels,
    pw3d_sequence,
    write_3dhp_poseaug,
    write_3dhp_test,
    write_3dhp_train,
    write_detections,
    write_h36m,
    write_pickle,
)
from published_scenes import mupots_people, write_dome, write_mupots

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.h36m import H36M, H36MSettings
from poseplug_datasets.mpi_inf_3dhp import MPIINF3DHP, MPIINF3DHPSettings
from poseplug_datasets.mupots import MuPoTS, MuPoTSSettings
from poseplug_datasets.panoptic import Panoptic, PanopticSettings
from poseplug_datasets.pw3d import PW3D, PW3DSettings

# Of bytes; those of arrays come on top of them.
BYTES = 180
MOST_SECONDS, MOST_MEGABYTES = 30, 300


def read(source, settings):
    return lambda: source(settings, BuildContext())


class Harm:
    def __reduce__(self):
        return os.system, ("touch harm",)


# What an array becomes.
ARRAYS = {
    "nan": lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size // 2, np.nan, a.astype(float)),
    "infinite": lambda a: np.full(a.shape, np.inf),
    "huge": lambda a: np.full(a.shape, 1e300),
    "zero": lambda a: np.zeros(a.shape),
    "minus": lambda a: -a.astype(float),
    "integers": lambda a: a.astype(np.int64),
    "of one byte": lambda a: np.clip(a, 0, 100).astype(np.uint8),
    "complex": lambda a: a.astype(complex),
    "text": lambda a: a.astype(str),
    "objects": lambda a: a.astype(object),
    "times": lambda a: a.astype("M8[s]") if a.dtype.kind in "iu" else a.astype(int).astype("M8[s]"),
    "flat": lambda a: a.reshape(-1),
    "an axis more": lambda a: a[None],
    "shorter": lambda a: a[:-1],
    "empty": lambda a: a[:0],
    "narrower": lambda a: a[..., :-1],
    "the first": lambda a: a.reshape(-1)[0],
    "a list": lambda a: a.tolist(),
    "none": lambda a: None,
    "harm": lambda a: Harm(),
    "harm in an array": lambda a: np.array([Harm()], dtype=object),
}


def places(value, path=()):
    """Give the place of every array, list and dictionary in a nested value."""
    if isinstance(value, np.ndarray):
        yield path
    elif isinstance(value, dict):
        yield path
        for key in list(value)[:2]:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        yield path
        for i in range(min(len(value), 2)):
            yield from places(value[i], (*path, i))


def changes(value, path):
    """Give nested values in which what is at a place is lacking, replaced or another array."""
    found = value
    for key in path:
        found = found[key]
    makers = ARRAYS.values() if isinstance(found, np.ndarray) else (lambda a: None, lambda a: {}, lambda a: Harm())
    if not path:
        yield from (make(found) for make in makers)
        return
    for make in makers:
        changed = copy.deepcopy(value)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = make(found)
        yield changed
        if make is next(iter(makers)):
            lacking = copy.deepcopy(value)
            holder = lacking
            for key in path[:-1]:
                holder = holder[key]
            del holder[path[-1]]
            yield lacking


def values_of(value, count):
    """Return some of the changes of a nested value, the same ones every time."""
    every = [changed for path in places(value) for changed in changes(value, path)]
    return random.Random(2).sample(every, min(count, len(every)))


def h36m(folder):
    people = {subject: {"Walking": clip["WalkDog"][:2]} for subject, clip in h36m_people().items()}
    file = folder / "data_3d_h36m.npz"
    write_h36m(file, people)
    writers = [lambda v=v: np.savez(file, positions_3d=np.array(v, dtype=object)) for v in values_of(people, 60)]
    return file, read(H36M, H36MSettings(path=str(folder), split="all")), writers


def detections(folder):
    people = {subject: {"Walking": clip["WalkDog"][:2]} for subject, clip in h36m_people().items()}
    write_h36m(folder / "data_3d_h36m.npz", people)
    file = folder / "data_2d_h36m_x.npz"
    found = h36m_pixels(people)
    write_detections(file, found)
    writers = [lambda v=v: np.savez(file, positions_2d=np.array(v, dtype=object)) for v in values_of(found, 60)]
    return file, read(H36M, H36MSettings(path=str(folder), split="all", detections="x")), writers


def poseaug(folder):
    file = folder / "test_3dhp.npz"
    write_3dhp_poseaug(file)
    with np.load(file) as arrays:
        facts = dict(arrays)
    writers = [lambda v=v: np.savez(file, **v) for v in values_of(facts, 60) if isinstance(v, dict)]
    return file, read(MPIINF3DHP, MPIINF3DHPSettings(path=str(file))), writers


def train(folder):
    write_3dhp_train(folder, frames=2)
    file = folder / "S1" / "Seq1" / "annot.mat"
    facts = scipy.io.loadmat(file)
    facts = {name: [cell for (cell,) in facts[name]] for name in ("annot2", "annot3")}

    def write(value):
        if not isinstance(value, dict) or b"touch harm" in pickle.dumps(value):
            value = {}
        kept = {k: cells(v) if isinstance(v, list) else v for k, v in value.items() if v is not None}
        try:
            scipy.io.savemat(file, kept)
        except (ValueError, TypeError):
            scipy.io.savemat(file, {"annot3": 1})

    writers = [lambda v=v: write(v) for v in values_of(facts, 60)]
    return file, read(MPIINF3DHP, MPIINF3DHPSettings(path=str(folder), cameras=(0, 2))), writers


def calibration(folder):
    write_3dhp_train(folder, frames=2)
    file = folder / "S1" / "Seq1" / "camera.calibration"
    return file, read(MPIINF3DHP, MPIINF3DHPSettings(path=str(folder), cameras=(0, 2))), []


def recorded(folder):
    write_3dhp_test(folder, names=("TS1",))
    file = folder / "TS1" / "annot_data.mat"
    with h5py.File(file) as opened:
        facts = {name: opened[name][()] for name in opened}

    def write(value):
        with h5py.File(file, "w") as opened:
            for name, array in (value if isinstance(value, dict) else {}).items():
                kind = np.asarray(array).dtype.kind
                if kind in "biufc":
                    opened[name] = array
                elif kind in "US":
                    opened[name] = np.asarray(array).astype("S")

    writers = [lambda v=v: write(v) for v in values_of(facts, 60)]
    return file, read(MPIINF3DHP, MPIINF3DHPSettings(path=str(folder))), writers


def pw3d(folder):
    file = folder / "courtyard_00.pkl"
    sequence = pw3d_sequence(frames=3)
    write_pickle(file, sequence)
    every = values_of(sequence, 60)
    writers = [lambda v=v, i=i: file.write_bytes(pickle.dumps(v, i % 6)) for i, v in enumerate(every)]
    return file, read(PW3D, PW3DSettings(path=str(file), joints_2d="detected")), writers


def json_values(said):
    """Give what a JSON file may hold instead, with arrays where lists of numbers were."""

    def arrays(value):
        if isinstance(value, dict):
            return {key: arrays(item) for key, item in value.items()}
        numbers = isinstance(value, list) and value and isinstance(value[0], float | int)
        return np.array(value) if numbers else [arrays(item) for item in value] if isinstance(value, list) else value

    def plain(value):
        if isinstance(value, np.ndarray):
            return plain(value.tolist())
        if isinstance(value, dict | list):
            return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else list(map(plain, value))
        return value if isinstance(value, int | float | str | None) else repr(value)

    return [json.dumps(plain(value)) for value in values_of(arrays(said), 60)]


def dome_frame(folder):
    write_dome(folder, 3, ("160224_haggling1",))
    file = folder / "160224_haggling1" / "hdPose3d_stage1_coco19" / "body3DScene_00000141.json"
    writers = [lambda v=v: file.write_text(v) for v in json_values(json.loads(file.read_text()))]
    return file, read(Panoptic, PanopticSettings(path=str(folder), outside="keep")), writers


def dome_cameras(folder):
    write_dome(folder, 3, ("160224_haggling1",))
    file = folder / "160224_haggling1" / "calibration_160224_haggling1.json"
    writers = [lambda v=v: file.write_text(v) for v in json_values(json.loads(file.read_text()))]
    settings = PanopticSettings(path=str(folder), outside="keep", cameras=("00_16", "00_30"))
    return file, read(Panoptic, settings), writers


def mupots(folder):
    facts = mupots_people(1, frames=3, people=2)
    file = write_mupots(folder, 1, facts)
    holder = [{"annotations": facts[1, 0]}]

    def write(value):
        cell = value[0].get("annotations") if value and isinstance(value[0], dict) else None
        try:
            write_mupots(folder, 1, {**facts, (1, 0): cell if isinstance(cell, dict) else np.ones(2)})
        except (ValueError, TypeError):
            scipy.io.savemat(file, {"annotations": 1})

    harmless = [v for v in values_of(holder, 90) if b"touch harm" not in pickle.dumps(v)][:60]
    return file, read(MuPoTS, MuPoTSSettings(path=str(folder))), [lambda v=v: write(v) for v in harmless]


def overwritten(good, number):
    """Return a file that was cut off, or in which some bytes are others."""
    random_ = random.Random(number)
    data = bytearray(good)
    if number % 4 == 0:
        return bytes(data[: random_.randrange(len(data))])
    # What is at the beginning says what all the rest is.
    last = len(data) if number % 2 else min(len(data), 600)
    for _ in range(random_.choice((1, 1, 1, 20))):
        data[random_.randrange(last)] = random_.choice((0, 255, random_.randrange(256)))
    return bytes(data)


FORMATS = (h36m, detections, poseaug, train, calibration, recorded, pw3d, dome_frame, dome_cameras, mupots)


@pytest.mark.parametrize("layout", FORMATS, ids=lambda layout: layout.__name__)
def test_a_correct_read_or_one_line_that_names_the_file(layout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, load, writers = layout(tmp_path)
    good = file.read_bytes()
    whole = len(load())
    count = BYTES + max(60 - len(writers), 0)
    mutations = [lambda i=i: file.write_bytes(overwritten(good, i)) for i in range(count)] + writers
    assert len(mutations) >= 200
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    refused = 0
    for number, mutate in enumerate(mutations):
        mutate()
        source, said = None, ""
        try:
            source = load()
        except PoseplugError as error:
            said = str(error)
        if source is None:
            refused += 1
            # Where nothing is left to train on, no single file is to blame.
            assert file.name in said or "no poses that can be used" in said, (number, said)
            assert said.isprintable(), (number, said)
            continue
        assert 0 < len(source) <= whole + 1
        for batch in source.batches(1000):
            assert torch.isfinite(batch.joints_3d).all()
            assert torch.isfinite(batch.joints_2d).all()
            assert float(batch.joints_3d[..., 2].min()) > 0
    assert refused >= len(mutations) / 5
    assert time.perf_counter() - begin < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_MEGABYTES
    assert not (tmp_path / "harm").exists()
    file.write_bytes(good)
    assert len(load()) == whole
