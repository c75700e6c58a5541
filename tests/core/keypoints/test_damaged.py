"""Damaged, hostile and mis-shaped files of each format: they are read rightly or refused in one line."""

import json
import resource
import tracemalloc

import numpy as np
import pytest
from keypoint_files import (
    COCO_JOINTS,
    crowd,
    write_alphapose,
    write_alphapose_by_image,
    write_coco_annotations,
    write_coco_results,
    write_csv,
    write_mediapipe,
    write_mmpose,
    write_npz,
    write_openpose,
)
from mutations import hostile, of_bytes, of_json, read_or_refused

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.keypoints import json_stream, people
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.open_keypoints import FORMATS, open_keypoints

SIZE = (640, 480)
COCO = LAYOUTS["coco17"]


def _npy(path, crowd):
    with path.open("wb") as file:
        np.save(file, crowd.joints)
    return path


def _openpose_file(path, people):
    folder = write_openpose(path.parent / "openpose", people)
    path.write_bytes(next(folder.glob(f"*{people.frame[0]:012d}_keypoints.json")).read_bytes())
    return path


WRITERS = {
    "coco": (17, write_coco_annotations),
    "coco results": (17, write_coco_results),
    "openpose": (25, _openpose_file),
    "alphapose": (17, write_alphapose),
    "alphapose by image": (18, lambda path, people: write_alphapose_by_image(path, people, "cmu")),
    "mmpose": (17, write_mmpose),
    "mediapipe": (33, lambda path, people: write_mediapipe(path, people, SIZE)),
    "mediapipe lines": (33, lambda path, people: write_mediapipe(path, people, SIZE, lines=True)),
    "csv": (17, lambda path, people: write_csv(path, people, COCO_JOINTS)),
    "csv long": (17, lambda path, people: write_csv(path, people, COCO_JOINTS, long=True)),
    "npz": (17, write_npz),
    "npy": (17, _npy),
}


def read(path, name="auto"):
    """Read a file and check what must be true of all detections."""
    name = name.partition(" ")[0]
    skeleton = COCO if name in ("csv", "npz", "npy") else None
    file = open_keypoints(path, format=name, size=SIZE, skeleton=skeleton)
    chunks = [*file.chunks()]
    for found in chunks:
        assert found.joints.shape == (len(found), file.skeleton.num_joints, 2)
        assert found.joints.isfinite().all()
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
        assert not found.joints[found.confidence == 0].any()
        assert len(found.frame) == len(found.track) == len(found.size) == len(found)
    return Detections.join(chunks) if chunks else None


@pytest.mark.parametrize("name", WRITERS)
def test_mutations(tmp_path, name):
    joints, write = WRITERS[name]
    path = write(tmp_path / "file.any", crowd(joints, 4))
    data = path.read_bytes()
    is_json = name not in ("csv", "csv long", "npz", "npy", "mediapipe lines")
    variants = [*of_bytes(data, 150 if is_json else 250)]
    if is_json:
        variants += of_json(json.loads(data), 150)
    assert read(path, name) is not None
    outcomes = []
    for variant in variants:
        path.write_bytes(variant)
        outcomes.append(read_or_refused(lambda: read(path, name), "file.any"))
        read_or_refused(lambda: read(path), "file.any")
    assert sum(outcome is None for outcome in outcomes) > 20


@pytest.mark.parametrize("name", ["auto", *(known.name for known in FORMATS)])
def test_hostile(tmp_path, name):
    path = tmp_path / "file.any"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for variant in hostile():
        path.write_bytes(variant)
        read_or_refused(lambda: read(path, name), "file.any")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000, "kilobytes"


@pytest.mark.parametrize("name", ["coco", "alphapose", "mmpose", "csv", "csv long"])
def test_memory_does_not_grow_with_the_file(tmp_path, name, monkeypatch):
    monkeypatch.setattr(people, "CHUNK", 100)
    monkeypatch.setattr(json_stream, "_BLOCK", 1 << 14)

    def peak(count):
        path = write(tmp_path / "file.any", crowd(joints, count))
        tracemalloc.start()
        for _ in open_keypoints(path, skeleton=COCO if name == "csv long" else None).chunks():
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    joints, write = WRITERS[name]
    # What is made once for the process is made by then.
    peak(400)
    # Of what grew with the file, there would be six times as much.
    assert peak(2400) < 2 * peak(400)
