"""Archives of VideoPose3D and of its script for Detectron, which hold object arrays, and hostile ones like them."""

import os
import zipfile

import numpy as np
import pytest
from keypoint_files import crowd, objects, write_detectron, write_videopose
from mutations import of_bytes, read_or_refused

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.open_keypoints import open_keypoints

SIZE = (640, 480)
RANDOM = np.random.default_rng(0)


def read(path, **options):
    chunks = [*open_keypoints(path, **options).chunks()]
    return Detections.join(chunks) if chunks else None


def test_detectron(tmp_path):
    people = crowd(17, 20)
    path = write_detectron(tmp_path / "video.mp4.npz", people, SIZE)
    found = read(path)
    assert open_keypoints(path).skeleton.name == "coco17"
    assert np.array_equal(found.joints, people.joints)
    assert np.array_equal(found.confidence, people.score)
    assert found.frame.tolist() == people.frame.tolist()
    assert found.size.unique(dim=0).tolist() == [[640, 480]]


def test_videopose_clips_are_tracks(tmp_path):
    clips = {"a.mp4": RANDOM.uniform(1, 480, (5, 17, 2)), "b.mp4": RANDOM.uniform(1, 480, (3, 17, 2))}
    clips["b.mp4"][1, 4] = 0
    path = write_videopose(tmp_path / "data_2d_custom_mine.npz", clips, size=SIZE)
    found = read(path)
    assert open_keypoints(path).skeleton.name == "coco17"
    assert np.array_equal(found.joints, np.concatenate([*clips.values()]).astype(np.float32))
    assert found.confidence.sum() == 8 * 17 - 1
    assert found.confidence[6, 4] == 0
    assert found.frame.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert found.track.tolist() == [0] * 5 + [1] * 3
    assert found.size.unique(dim=0).tolist() == [[640, 480]]


@pytest.mark.parametrize(("layout", "joints", "name"), [("h36m", 17, "h36m17"), ("h36m", 16, "h36m16")])
def test_videopose_layouts(tmp_path, layout, joints, name):
    path = write_videopose(tmp_path / "a.npz", {"S1": np.ones((5, joints, 2))}, layout)
    assert open_keypoints(path).skeleton.name == name
    assert not read(path).size.any()
    assert read(path, size=SIZE).size.unique(dim=0).tolist() == [[640, 480]]
    unnamed = write_videopose(tmp_path / "b.npz", {"S1": np.ones((5, joints, 2))}, layout=None)
    with pytest.raises(PoseplugError, match=f"{joints} joints.*--skeleton"):
        open_keypoints(unnamed)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ({}, "clips of nobody"),
        ({"a": 1}, "of 'a' is 1; expected a table"),
        ({"a": {"custom": 1}}, "'a', 'custom' is 1; expected a list"),
        ({"a": {"custom": [np.ones((3, 2))]}}, "no array"),
        ({"a": {"custom": [np.ones((3, 17, 2)), np.ones((3, 16, 2))]}}, "the same joints"),
    ],
)
def test_misshaped_clips(tmp_path, positions, message):
    np.savez(tmp_path / "a.npz", positions_2d=positions)
    with pytest.raises(PoseplugError, match=message):
        open_keypoints(tmp_path / "a.npz", skeleton=LAYOUTS["coco17"])


def test_misshaped_detections(tmp_path):
    path = tmp_path / "a.npz"
    for found in (1, np.ones((2, 3, 17)), np.ones((2, 4, 17), bool), "x"):
        np.savez(path, boxes=objects([[[], []]]), keypoints=objects([[[], found]]))
        with pytest.raises(PoseplugError, match="frame 0: expected key points"):
            open_keypoints(path)
    np.savez(path, boxes=objects([[[], []]]), keypoints=objects([[[], np.ones((1, 4, 17))]]), metadata={"w": "wide"})
    with pytest.raises(PoseplugError, match="expected w and h"):
        open_keypoints(path)


class _Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return (os.mkdir, (str(self.folder),))


def test_nothing_in_a_file_is_run(tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=np.array([_Hostile(tmp_path / "made")]))
    with pytest.raises(PoseplugError, match="mkdir.*refused"):
        open_keypoints(tmp_path / "a.npz")
    assert not (tmp_path / "made").exists()
    np.load(tmp_path / "a.npz", allow_pickle=True)["keypoints"]
    assert (tmp_path / "made").exists(), "the file was not hostile at all"


@pytest.mark.parametrize("name", ["detectron", "videopose"])
def test_mutations(tmp_path, name):
    """Of the file, and of what is inside, behind the archive's checksums."""
    path = tmp_path / "file.npz"
    if name == "detectron":
        write_detectron(path, crowd(17, 4), SIZE)
    else:
        write_videopose(path, {"a": np.ones((5, 17, 2))}, size=SIZE)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    for variant in of_bytes(path.read_bytes(), 100):
        path.write_bytes(variant)
        read_or_refused(lambda: read(path), "file.npz")
    refused = 0
    for member in ("keypoints.npy", "positions_2d.npy", "metadata.npy"):
        for variant in of_bytes(members.get(member, b""), 100 if member in members else 0):
            with zipfile.ZipFile(path, "w") as archive:
                for key, data in {**members, member: variant}.items():
                    archive.writestr(key, data)
            found = read_or_refused(lambda: read(path), "file.npz")
            refused += found is None
            assert found is None or found.joints.isfinite().all()
    assert refused > 50
