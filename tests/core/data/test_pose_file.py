"""Posefiles: what is written is read, bit for bit, and is there whole or not at all."""

import json
from itertools import pairwise

import attrs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posefiles import NAMES, PAIR, about, poses, same
from safetensors import safe_open

from poseplug.core.data.pose_batch import Origin
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.pose_file_writer import write_pose_file, write_pose_set
from poseplug.core.data.stored_poses import BESIDE, InputFile, next_shard
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS

ABSENT = ("joints_3d", "scene", "weight", "origin", "extent", "distortion", *BESIDE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any),
    room=st.integers(0, 20),
    cameras=st.integers(1, 12),
    without=st.sets(st.sampled_from(ABSENT)),
    outside=st.booleans(),
    shard=st.integers(0, 7),
)
def test_what_is_written_is_read(tmp_path_factory, data, sizes, room, cameras, without, outside, shard):
    """Any sizes of batches, any fields, any room left, one file or several; rows in any order and repeated."""
    without = {*without, *(() if outside else ("rotation", "position"))}
    whole = poses(sum(sizes), cameras=cameras, without=without)
    starts = np.cumsum([0, *sizes])
    batches = [whole.select(slice(a, b)) for a, b in pairwise(starts)]
    path = tmp_path_factory.mktemp("poses") / "poses"
    count = len(whole)
    if shard:
        assert write_pose_set(path, iter(batches), about(), shard) == count
        assert len(list(path.iterdir())) == -(-count // shard)
    else:
        assert write_pose_file(path, iter(batches), about(), count + room) == count
    file = PoseFile(path)
    assert len(file) == count
    assert same(file.rows(np.arange(count)), whole)
    rows = data.draw(st.lists(st.integers(0, count - 1), max_size=30))
    assert same(file.rows(np.array(rows, np.int64)), whole.select(torch.tensor(rows, dtype=torch.int64)))
    for name in NAMES:
        assert torch.equal(torch.from_numpy(file.label(name)), whole.poses.labels[name])


@pytest.mark.parametrize("skeleton", [PAIR, H36M_16, LAYOUTS["coco17"]], ids=lambda s: s.name)
def test_facts_are_kept(tmp_path, skeleton):
    inputs = (InputFile("mocap/walk.bvh", 12, "ab" * 32), InputFile("mocap/run.bvh", 0, "cd" * 32))
    facts = about(skeleton, made_by="bvh:path=mocap", made_with={"poseplug": "0.1.0"}, inputs=inputs)
    path = tmp_path / "poses.safetensors"
    write_pose_file(path, [poses(5, skeleton)], facts, 5)
    assert PoseFile(path).about == facts
    assert PoseFile(path).about.skeleton.name == skeleton.name


def test_it_is_a_safetensors_file_in_which_cameras_stand_once(tmp_path):
    path, whole = tmp_path / "poses.safetensors", poses(1000, cameras=4)
    write_pose_file(path, [whole], about(), 5000)
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["poseplug"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    assert tensors["cameras/focal"].shape == (4, 2)
    assert torch.equal(tensors["cameras/rotation"][tensors["camera"].long()], whole.poses.camera.rotation)
    assert torch.equal(tensors["joints_3d"], whole.poses.joints_3d)
    assert facts["units"] == {"joints_3d": "m", "joints_2d": "px"}
    # The room for 4000 more poses is closed up.
    assert path.stat().st_size < 1000 * 120 + 4000
    data = path.stat().st_size - sum(tensor.nbytes for tensor in tensors.values())
    assert data % 8 == 0


def test_more_cameras_than_are_told_apart_are_all_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("poseplug.core.data.pose_file_writer._CAMERAS_KNOWN", 3)
    path, whole = tmp_path / "poses", poses(200, cameras=50)
    write_pose_file(path, [whole.select(slice(i, i + 20)) for i in range(0, 200, 20)], about(), 200)
    assert same(PoseFile(path).rows(np.arange(200)), whole)


def test_shards_are_added_later_and_classes_are_told_apart_by_name(tmp_path):
    folder, first, second = tmp_path / "set", poses(7), poses(4, seed=1)
    write_pose_set(folder, [first], about(), 5)
    other = {"subject": ("eve", "ada"), "action": ("jump", "sit", "run")}
    path = next_shard(folder)
    assert path.name == "part-00002.safetensors"
    write_pose_file(path, [second], about(names=other), 100)
    file = PoseFile(folder)
    assert len(file) == 11
    names = file.about.label_names
    assert names == {"subject": ("ada", "bob", "eve"), "action": ("sit", "run", "jump")}
    read = file.rows(np.arange(11)).poses.labels
    for label, classes in NAMES.items():
        expected = [classes[i] for i in first.poses.labels[label]] + [
            other[label][i] for i in second.poses.labels[label]
        ]
        assert [names[label][i] for i in read[label]] == expected
    path.with_name("part-00001.safetensors").unlink()
    with pytest.raises(PoseplugError, match="'part-00001.safetensors' is missing; it has 2 shards"):
        PoseFile(folder)


def test_shards_that_do_not_go_together_are_refused(tmp_path):
    folder = tmp_path / "set"
    write_pose_set(folder, [poses(7)], about(), 5)
    write_pose_file(next_shard(folder), [poses(3, without=("joints_3d",))], about(), 3)
    with pytest.raises(PoseplugError, match="no shards of one set: only one of them has 'joints_3d'"):
        PoseFile(folder)


def with_nan(batch):
    batch.poses.joints_3d[3, 1, 2] = torch.nan
    return batch


@pytest.mark.parametrize(
    ("batches", "most", "message"),
    [
        ([], 5, "There are no poses to write"),
        ([poses(3), poses(3)], 5, "more than the 5 poses"),
        ([poses(3), poses(3, without=("weight",))], 9, "do not all have 'weight'"),
        ([poses(3, H36M_16)], 9, "of skeleton 'pair', and these are of 'h36m16'"),
        ([poses(3), with_nan(poses(5))], 9, r"Pose \d for .* has a number that is none in 'joints_3d'"),
        (
            [poses(9, names={"subject": ("a",) * 9, "action": NAMES["action"]})],
            9,
            "a class without a name in 'labels/subject'",
        ),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, batches, most, message):
    with pytest.raises(PoseplugError, match=message):
        write_pose_file(tmp_path / "poses", iter(batches), about(), most)
    if "more than" not in message:  # there is always another shard
        with pytest.raises(PoseplugError, match=message):
            write_pose_set(tmp_path / "set", iter(batches), about(), 4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_pose_file, lambda *a: write_pose_set(*a[:3], 3)])
def test_ctrl_c_leaves_nothing(tmp_path, write):
    def interrupted():
        yield poses(7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "poses", interrupted(), about(), 100)
    assert not list(tmp_path.iterdir())


def test_batches_need_not_be_of_float32_or_contiguous(tmp_path):
    whole = poses(6).poses
    camera = Camera.shared(6, (500.0, 501.0), (3.0, 4.0), (640.0, 480.0))
    batch = attrs.evolve(whole, camera=camera, joints_2d=whole.joints_2d.double().flip(1).requires_grad_())
    write_pose_file(tmp_path / "poses", [batch], about(), 6)
    read = PoseFile(tmp_path / "poses").rows(np.arange(6)).poses
    assert torch.equal(read.joints_2d, whole.joints_2d.flip(1))
    assert read.camera.focal.tolist() == [[500.0, 501.0]] * 6
    assert read.origin.max() <= max(Origin)
