"""Lifting key points: pytest benchmarks/test_lift.py. People and megabytes a second, from file to file."""

import json

import pytest

from poseplug.core.geometry.layouts import layout
from poseplug.core.interfaces import BuildContext
from poseplug.core.keypoints.open_keypoints import open_keypoints
from poseplug.registry.api import lift_file, train
from poseplug_datasets.builtin import Builtin, BuiltinSettings

FRAMES = 3000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    experiment = {"lifter": "mlp", "steps": 2, "batch_size": 64}
    return train(experiment, out=tmp_path_factory.mktemp("run") / "run", device="cpu")


@pytest.fixture(scope="module", params=[1, 3], ids=["one", "three"])
def detections(request, tmp_path_factory):
    """COCO key points of so many people a frame, none of them with a track."""
    poses = next(iter(Builtin(BuiltinSettings(split="train"), BuildContext()).batches(FRAMES)))
    face = dict.fromkeys(("Nose", "LEye", "REye", "LEar", "REar"), "Head")
    made = {**face, "LAnkle": "LFoot", "RAnkle": "RFoot"}
    places = [poses.skeleton.index(made.get(name, name)) for name in layout("coco17").joints]
    people = []
    for frame, joints in enumerate(poses.joints_2d[:, places].round(decimals=2).tolist()):
        for person in range(request.param):
            points = [value for x, y in joints for value in (round(x + 400 * person, 2), y, 0.9)]
            people.append({"image_id": frame, "category_id": 1, "keypoints": points, "score": 0.9})
    path = tmp_path_factory.mktemp("detections") / "people.json"
    path.write_text(json.dumps(people))
    return path


def report(benchmark, path, people):
    seconds = benchmark.stats.stats.median
    benchmark.extra_info["MB/s"] = round(path.stat().st_size / 1e6 / seconds, 1)
    benchmark.extra_info["people/s"] = round(people / seconds)


def test_read_alone(benchmark, detections):
    def read():
        return sum(len(chunk) for chunk in open_keypoints(detections).chunks())

    report(benchmark, detections, benchmark.pedantic(read, rounds=3, warmup_rounds=1))


@pytest.mark.parametrize("suffix", ["npz", "json", "bvh"])
def test_lift(benchmark, run, detections, tmp_path, suffix):
    numbers = iter(range(100))

    def lift():
        out = tmp_path / f"{next(numbers)}.{suffix}"
        return lift_file(run.path, detections, out, size=(1920, 1080), device="cpu")["people"]

    report(benchmark, detections, benchmark.pedantic(lift, rounds=3, warmup_rounds=1))
