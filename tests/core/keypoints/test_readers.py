"""Each format, written by scripts of its own (tests/keypoint_files.py), is read back exactly."""

import json

import numpy as np
import pytest
import torch
from keypoint_files import (
    COCO_JOINTS,
    crowd,
    landmarks,
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

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.open_keypoints import open_keypoints

SIZE = (640, 480)


def read(path, **options):
    file = open_keypoints(path, **options)
    return file, Detections.join([*file.chunks()])


def same(found, people, joints=None, tracks=True, binary=False, close=False):
    """Check detections against what was written, the first ``joints`` of it."""
    joints = joints or people.joints.shape[1]
    expected = people.joints[:, :joints]
    if close:
        torch.testing.assert_close(found.joints, torch.from_numpy(expected), rtol=1e-6, atol=0)
    else:
        assert np.array_equal(found.joints, expected)
    score = people.score[:, :joints]
    assert np.array_equal(found.confidence, score > 0 if binary else score)
    assert found.frame.tolist() == people.frame.tolist()
    assert found.track.tolist() == (people.track.tolist() if tracks else [-1] * len(people))
    assert found.frame.dtype == found.track.dtype == torch.int64
    assert found.joints.dtype == found.confidence.dtype == found.size.dtype == torch.float32


@pytest.mark.parametrize("count", [1, 7, 9001])
def test_coco_results(tmp_path, count):
    people = crowd(17, count)
    file, found = read(write_coco_results(tmp_path / "results.json", people))
    assert (file.format, file.skeleton.name) == ("coco", "coco17")
    same(found, people, tracks=False)
    assert not found.size.any()


@pytest.mark.parametrize("order", ["images annotations categories", "annotations categories info images"])
def test_coco_annotations(tmp_path, order):
    people = crowd(17)
    file, found = read(write_coco_annotations(tmp_path / "person.json", people, order=order.split()))
    assert (file.format, file.skeleton.name) == ("coco", "coco17")
    same(found, people, tracks=False, binary=True)
    assert found.size.tolist() == [[640 + frame, 480] for frame in people.frame]


def test_coco_categories_say_the_order(tmp_path):
    people = crowd(17)
    turned = type(people)(people.joints[:, ::-1], people.score[:, ::-1], people.frame, people.track)
    path = write_coco_annotations(tmp_path / "person.json", turned, names=COCO_JOINTS[::-1])
    same(read(path)[1], people, tracks=False, binary=True)
    same(read(path, skeleton=LAYOUTS["coco17"])[1], people, tracks=False, binary=True)
    animals = write_coco_annotations(tmp_path / "animals.json", people, names=[f"paw{i}" for i in range(17)])
    with pytest.raises(PoseplugError, match="not COCO's, but 'paw0'"):
        open_keypoints(animals)
    same(read(animals, skeleton=LAYOUTS["h36m17"])[1], people, tracks=False, binary=True)


@pytest.mark.parametrize(("joints", "name"), [(25, "openpose25"), (18, "openpose18"), (15, "openpose15")])
def test_openpose(tmp_path, joints, name):
    people = crowd(joints, 30)
    file, found = read(write_openpose(tmp_path / "out", people), size=SIZE)
    assert (file.format, file.skeleton.name) == ("openpose", name)
    same(found, people, tracks=False)
    assert found.size.unique(dim=0).tolist() == [[640, 480]]


def test_openpose_shares_of_the_image(tmp_path):
    people = crowd(25)
    folder = write_openpose(tmp_path / "out", people, scale=SIZE)
    with pytest.raises(PoseplugError, match="keypoint_scale 3.*--size"):
        open_keypoints(folder)
    same(read(folder, size=SIZE)[1], people, tracks=False, close=True)


def test_openpose_one_file_and_names(tmp_path):
    people = crowd(25, 2)
    folder = write_openpose(tmp_path / "out", people)
    one = next(folder.glob(f"*_{people.frame[0]:012d}_*"))
    assert read(one)[1].frame.tolist() == people.frame[people.frame == people.frame[0]].tolist()
    write_openpose(folder, people, name="other")
    with pytest.raises(PoseplugError, match="several videos, such as 'clip' and 'other'"):
        open_keypoints(folder)


@pytest.mark.parametrize(("joints", "extra", "name"), [(17, 0, "coco17"), (26, 0, "halpe26"), (26, 110, "halpe26")])
def test_alphapose(tmp_path, joints, extra, name):
    people = crowd(joints)
    file, found = read(write_alphapose(tmp_path / "alphapose-results.json", people, extra))
    assert (file.format, file.skeleton.name) == ("alphapose", name)
    same(found, people)


def test_alphapose_without_a_tracker(tmp_path):
    people = crowd(17, 30)
    nobody = type(people)(people.joints, people.score, people.frame, np.zeros(30))
    same(read(write_alphapose(tmp_path / "results.json", nobody))[1], people, tracks=False)


@pytest.mark.parametrize("form", ["cmu", "open"])
def test_alphapose_by_image(tmp_path, form):
    people = crowd(18)
    file, found = read(write_alphapose_by_image(tmp_path / "results.json", people, form))
    assert (file.format, file.skeleton.name) == ("alphapose", "openpose18")
    same(found, people, tracks=False)


@pytest.mark.parametrize("demo", [True, False])
@pytest.mark.parametrize(("joints", "extra", "name"), [(17, 0, "coco17"), (26, 0, "halpe26"), (17, 116, "coco17")])
def test_mmpose(tmp_path, demo, joints, extra, name):
    people = crowd(joints)
    file, found = read(write_mmpose(tmp_path / "results.json", people, extra, demo, tracks=demo))
    assert (file.format, file.skeleton.name) == ("mmpose", name)
    same(found, people, tracks=demo)


def test_mmpose_images(tmp_path):
    people = crowd(17)
    folder = tmp_path / "predictions"
    folder.mkdir()
    for frame, item in enumerate(json.loads(write_mmpose(tmp_path / "all.json", people, demo=False).read_text())):
        (folder / f"{frame:06d}.json").write_text(json.dumps(item["instances"]))
    same(read(folder)[1], people, tracks=False)
    first = folder / "000000.json"
    first.write_text("[]")
    assert len(read(folder)[1]) == (people.frame > 0).sum()


@pytest.mark.parametrize("lines", [True, False])
def test_mediapipe(tmp_path, lines):
    people = crowd(33)
    file, found = read(write_mediapipe(tmp_path / "landmarks.json", people, SIZE, lines), size=SIZE)
    assert (file.format, file.skeleton.name) == ("mediapipe", "mediapipe33")
    same(found, people, tracks=False, close=True)
    with pytest.raises(PoseplugError, match="--size"):
        open_keypoints(tmp_path / "landmarks.json")


@pytest.mark.parametrize("lines", [True, False])
def test_mediapipe_lists(tmp_path, lines):
    people = crowd(33, 12)
    first = np.unique(people.frame, return_index=True)[1]
    alone = type(people)(people.joints[first], people.score[first], people.frame[first], people.track[first])
    path = write_mediapipe(tmp_path / "landmarks.json", alone, SIZE, lines, wrap=False)
    same(read(path, size=SIZE)[1], alone, tracks=False, close=True)
    path.write_text(json.dumps(landmarks(alone, 0, SIZE)))
    assert np.array_equal(read(path, size=SIZE)[1].joints[0], alone.joints[0])


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_csv(tmp_path, long, mark):
    people = crowd(17)
    path = write_csv(tmp_path / "table.csv", people, COCO_JOINTS, long, mark)
    file, found = read(path, skeleton=LAYOUTS["coco17"] if long else None)
    assert (file.format, file.skeleton.name) == ("csv", "coco17")
    same(found, people)


def test_npz(tmp_path):
    people = crowd(17)
    path = write_npz(tmp_path / "points.npz", people, size=SIZE, fps=25, skeleton="coco17")
    file, found = read(path)
    assert (file.format, file.skeleton.name, file.fps) == ("npz", "coco17", 25)
    same(found, people)
    assert found.size.unique(dim=0).tolist() == [[640, 480]]
    with pytest.raises(PoseplugError, match="17 joints.*--skeleton"):
        open_keypoints(write_npz(tmp_path / "points.npz", people))


@pytest.mark.parametrize("shape", [(50, 26, 2), (50, 26, 3), (10, 5, 26, 2), (10, 5, 26, 3), (5000, 4, 26, 3)])
def test_npy(tmp_path, shape):
    values = np.random.default_rng(0).uniform(1, 99, shape).astype(np.float32)
    values[..., 2:] /= 100
    values.reshape(-1, *shape[-2:])[::3] = 0
    np.save(tmp_path / "points.npy", values)
    file, found = read(tmp_path / "points.npy")
    assert (file.format, file.skeleton.name) == ("npy", "halpe26")
    rows = values.reshape(-1, 26, shape[-1])
    kept = np.flatnonzero(rows.any((1, 2))) if len(shape) == 4 else np.arange(len(rows))
    assert np.array_equal(found.joints, rows[kept][..., :2])
    assert np.array_equal(found.confidence, rows[kept][..., 2] if shape[-1] == 3 else rows[kept][..., 0] > 0)
    places = shape[1] if len(shape) == 4 else 1
    assert found.frame.tolist() == (kept // places).tolist()
    assert found.track.tolist() == ((kept % places).tolist() if len(shape) == 4 else [-1] * len(kept))
