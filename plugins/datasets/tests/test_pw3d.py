import os
import pickle

import numpy as np
import pytest
import torch
from published import pinhole, pw3d_sequence, write_pickle, write_pw3d

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.pw3d import PW3D, PW3DSettings

# SMPL's joints of Human3.6M's 16: spine2, neck and head for Spine, Thorax and Head.
OF_SMPL = [0, 2, 5, 8, 1, 4, 7, 6, 12, 15, 16, 18, 20, 17, 19, 21]
# COCO-18's joints of Human3.6M's limbs.
OF_COCO = {"RHip": 8, "RKnee": 9, "RFoot": 10, "LHip": 11, "LKnee": 12, "LFoot": 13}
OF_COCO |= {"LShoulder": 5, "LElbow": 6, "LWrist": 7, "RShoulder": 2, "RElbow": 3, "RWrist": 4, "Thorax": 1}


def source(path, **settings):
    return PW3D(PW3DSettings(**{"path": str(path), "split": "test", **settings}), BuildContext())


def everything(found):
    return PoseBatch.join(list(found.batches(5)))


@pytest.fixture
def sequence():
    return pw3d_sequence()


def test_people_are_where_the_camera_sees_them(tmp_path, sequence):
    write_pw3d(tmp_path, courtyard_00=sequence, office_00=pw3d_sequence(people=1, size=(1920, 1080)))
    found = source(tmp_path)
    batch = everything(found)
    assert len(found) == 3 * 5  # one frame of each person has no valid camera
    for person, kept in enumerate(([0, 2, 3, 4, 5], [0, 1, 3, 4, 5])):
        world = sequence["jointPositions"][person].reshape(-1, 24, 3)
        camera = sequence["cam_poses"]
        expected = np.einsum("tij,tkj->tki", camera[:, :3, :3], world) + camera[:, None, :3, 3]
        mine = batch.select(slice(5 * person, 5 * person + 5))
        assert np.abs(mine.joints_3d.numpy() - expected[kept][:, OF_SMPL]).max() < 1e-5
        assert (
            np.abs(mine.joints_2d.numpy() - pinhole(expected[kept][:, OF_SMPL], (1961, 1969), (540, 960))).max() < 0.01
        )
    assert batch.camera.size[0].tolist() == [1080, 1920]
    assert batch.camera.size[-1].tolist() == [1920, 1080]
    assert not found.measured_2d
    assert found.label_names["action"] == ("courtyard_00", "office_00")
    assert found.label_names["subject"] == ("courtyard_00 0", "courtyard_00 1", "office_00 0")
    assert torch.equal(batch.labels["subject"], torch.arange(3).repeat_interleave(5))
    assert found.diagnostics() == {}


def test_what_openpose_found(tmp_path, sequence):
    sequence["poses2d"][0][3, :, 7] = 0  # a wrist
    sequence["poses2d"][1][:, :, 14:] = 0  # the face but for the nose, by which the head is known
    sequence["poses2d"][1][4] = 0  # nobody
    write_pw3d(tmp_path, courtyard_00=sequence)
    found = source(tmp_path, joints_2d="detected")
    batch = everything(found)
    assert found.measured_2d
    assert found.diagnostics() == {"left_out": 2}
    assert len(found) == 8
    for person, kept in enumerate(([0, 2, 4, 5], [0, 1, 3, 5])):
        mine = batch.joints_2d[4 * person : 4 * person + 4].numpy()
        for joint, place in OF_COCO.items():
            expected = sequence["poses2d"][person][kept, :2, place]
            assert np.abs(mine[:, H36M_16.index(joint)] - expected).max() < 1e-4
    every = everything(source(tmp_path))
    assert torch.equal(batch.joints_3d[0], every.joints_3d[0])


def test_layouts_strides_and_paths(tmp_path, sequence):
    write_pw3d(tmp_path, courtyard_00=sequence)
    file = tmp_path / "sequenceFiles" / "test" / "courtyard_00.pkl"
    assert source(tmp_path, skeleton="h36m17").skeleton == H36M_17
    assert len(source(tmp_path, stride=2)) == 2 + 3
    assert len(source(tmp_path / "sequenceFiles", split="all")) == len(source(file, split="train")) == 10


def test_pickles_of_python_3(tmp_path, sequence):
    file = tmp_path / "x.pkl"
    write_pickle(file, sequence)
    old = everything(source(file))
    for protocol in range(6):
        file.write_bytes(pickle.dumps(sequence, protocol))
        assert torch.equal(everything(source(file)).joints_3d, old.joints_3d)


def test_who_lacks_the_data_is_told_where_it_is_to_be_had(tmp_path):
    with pytest.raises(PoseplugError, match=r"no '.*test/\*.pkl'.*virtualhumans.mpi-inf.mpg.de/3DPW.*path="):
        source(tmp_path)


class Harm:
    def __reduce__(self):
        return os.system, ("touch harm",)


def test_nothing_is_run(tmp_path, sequence, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "x.pkl"
    for value in (Harm(), {**sequence, "genders": [Harm()]}, {**sequence, "betas": np.array([Harm()], dtype=object)}):
        file.write_bytes(pickle.dumps(value, 2))
        with pytest.raises(PoseplugError, match=r"x.pkl' asks for posix.system, .* nothing of it was run"):
            source(file)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def damaged(sequence, key, value):
    copy = {**sequence}
    if value is None:
        del copy[key]
    else:
        copy[key] = value
    return copy


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("jointPositions", None, "has nobody's jointPositions"),
        ("jointPositions", [], "has nobody's jointPositions"),
        ("jointPositions", [np.ones((6, 71))] * 2, "person 0, jointPositions, is an array of 6 x 71; expected 6 x 72"),
        ("jointPositions", [np.full((6, 72), np.inf)] * 2, "person 0, jointPositions, holds inf in frame 0"),
        ("jointPositions", [[[1.0] * 72] * 6] * 2, "person 0, jointPositions, is no array of numbers"),
        ("jointPositions", [np.full((6, 72), -9.0)] * 2, "person 0, frame 0: a joint is .* m in front of its camera"),
        ("campose_valid", [np.ones(6)], "person 1 has no campose_valid"),
        ("campose_valid", None, "person 0 has no campose_valid"),
        ("cam_poses", np.zeros((6, 4, 4)), "cam_poses: of 5 valid ones number 0 holds no rotation"),
        ("cam_poses", np.ones((5, 4, 4)), "cam_poses, is an array of 5 x 4 x 4; expected 6 x 4 x 4"),
        ("cam_intrinsics", np.zeros((3, 3)), "cam_intrinsics, is no camera"),
        ("cam_intrinsics", "none", "cam_intrinsics, is no array of numbers"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, sequence, key, value, message):
    file = tmp_path / "x.pkl"
    write_pickle(file, damaged(sequence, key, value))
    with pytest.raises(PoseplugError, match=message) as caught:
        source(file)
    assert "x.pkl" in str(caught.value)


def test_nobody_is_left(tmp_path, sequence):
    file = tmp_path / "x.pkl"
    write_pickle(file, damaged(sequence, "campose_valid", [np.zeros(6)] * 2))
    with pytest.raises(PoseplugError, match="no poses that can be used"):
        source(file)
