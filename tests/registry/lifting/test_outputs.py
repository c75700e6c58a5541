"""Files of lifted poses agree with each other, and BVH with the poses themselves where bones keep their lengths."""

import json

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import forward_kinematics
from poseplug.core.geometry.layouts import H36M_16, H36M_17, layout
from poseplug.core.geometry.rotations import rotvec_to_rotmat
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.lifting import lifted as lifted_module
from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.outputs import bvh, check_outputs, write
from poseplug.registry.lifting.outputs.bvh_rig import shortest_rotations, zxy_angles
from poseplug.registry.lifting.spool import Spool
from poseplug_datasets.mocap.bvh_clips import read_clip
from poseplug_datasets.mocap.bvh_file import read_bvh
from poseplug_datasets.mocap.bvh_pose import joint_positions

FIVE = Skeleton("five legs", ("a b", "c", "d", "e", "f"), ("", "a b", "a b", "a b", "c"))


def moving(skeleton, frames, seed=0):
    """Joints [F, J, 3] of a body that moves anyhow but keeps the lengths of its bones."""
    generator = torch.Generator().manual_seed(seed)
    turns = torch.randn(frames, skeleton.num_bones, 3, generator=generator, dtype=torch.float64)
    lengths = torch.rand(skeleton.num_bones, generator=generator, dtype=torch.float64) * 0.4 + 0.1
    still = torch.zeros(frames, 3, dtype=torch.float64)
    rest = torch.tensor(skeleton.rest_directions, dtype=torch.float64)
    rotations = rotvec_to_rotmat(turns)
    return forward_kinematics(rotations, lengths, skeleton, root_position=still, rest=rest).numpy()


def lifted(folder, skeleton, joints, frame, track=None, *, fps=25.0, good=None):
    n = len(joints)
    rng = np.random.default_rng(0)
    good = np.ones(n, bool) if good is None else good
    root = rng.normal([0, 0, 5], 1, (n, 3))
    poses = Spool(folder / "poses", {"joints_3d": (joints.shape[1:], "f4"), "root": ((3,), "f4")})
    hidden = np.where(good[:, None, None], joints, np.nan)
    poses.append(joints_3d=hidden, root=np.where(good[:, None], root, np.nan))
    count = joints.shape[1]
    shapes = {"joints_2d": ((count, 2), "f4"), "confidence": ((count,), "f4"), "camera": ((6,), "f4")}
    seen = Spool(folder / "seen", shapes)
    pixels, confidence = rng.uniform(0, 1000, (n, count, 2)), rng.uniform(0, 1, (n, count))
    camera = np.tile([1100.0, 1150, 480, 520, 1000, 1002], (n, 1))
    seen.append(joints_2d=pixels, confidence=confidence, camera=camera)
    return Lifted(
        skeleton=skeleton,
        root_estimated=True,
        frame=np.asarray(frame),
        track=np.zeros(n, int) if track is None else np.asarray(track),
        good=good,
        seen=seen,
        poses=poses,
        fps=fps,
        image=(1000.0, 1000.0),
        notes=("a note",),
        warnings=(),
        facts={},
    )


def read_back(path, skeleton):
    """Return joints [F, J, 3] in camera axes, and the seconds between frames."""
    clip = read_bvh(path)
    places = [clip.names.index("_".join(name.split())) for name in skeleton.joints]
    return joint_positions(clip).numpy()[:, places] * [1, -1, -1], clip.frame_time


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17, layout("coco17"), layout("smpl24"), FIVE], ids=lambda s: s.name)
def test_bvh_gives_the_joints_again(tmp_path, monkeypatch, skeleton):
    for module in (lifted_module, bvh):
        monkeypatch.setattr(module, "BLOCK", 16)
    poses = lifted(tmp_path, skeleton, moving(skeleton, 50), range(50))
    assert write(tmp_path / "body.bvh", poses) == [tmp_path / "body.bvh"]
    found, frame_time = read_back(tmp_path / "body.bvh", skeleton)
    rows = poses.rows(slice(0, 50))
    assert frame_time == 0.04
    assert np.abs(found - rows.joints_3d - rows.root[:, None]).max() < 2e-5


def test_bones_that_do_not_keep_their_lengths_get_the_median(tmp_path):
    joints = moving(H36M_16, 9) * np.array([1, 1, 1, 1, 2, 1, 1, 1, 0.1])[:, None, None]
    poses = lifted(tmp_path, H36M_16, joints, range(9))
    write(tmp_path / "body.bvh", poses)
    found, _ = read_back(tmp_path / "body.bvh", H36M_16)
    root = poses.rows(slice(0, 9)).root[:, None]
    assert np.abs(found - root - moving(H36M_16, 9)).max() < 2e-5


def test_frames_without_a_pose_are_interpolated(tmp_path):
    joints = moving(H36M_16, 4)
    joints[1] = joints[0]
    good = np.array([True, True, False, True])
    poses = lifted(tmp_path, H36M_16, joints, [3, 5, 6, 9], good=good)
    write(tmp_path / "body.bvh", poses)
    found, _ = read_back(tmp_path / "body.bvh", H36M_16)
    rows = poses.rows(slice(0, 4))
    assert len(found) == 7
    want = rows.joints_3d + rows.root[:, None]
    assert np.abs(found[[0, 2, 6]] - want[[0, 1, 3]]).max() < 2e-5
    between = rows.joints_3d[0] + (rows.root[0] + rows.root[1]) / 2
    assert np.abs(found[1] - between).max() < 2e-5


def test_numbers_of_frames_that_are_no_videos_are_not_filled(tmp_path):
    poses = lifted(tmp_path, H36M_16, moving(H36M_16, 3), [139, 885, 532481])
    write(tmp_path / "body.bvh", poses)
    assert len(read_back(tmp_path / "body.bvh", H36M_16)[0]) == 3


def test_angles_do_not_jump(tmp_path):
    angle = np.linspace(0, 4 * np.pi, 200)
    joints = np.tile(moving(H36M_16, 1), (200, 1, 1))
    turned = np.stack([np.cos(angle), np.zeros(200), np.sin(angle)], -1)
    joints[:, :, 0], joints[:, :, 2] = (
        joints[:, :, 0] * turned[:, :1] + joints[:, :, 2] * turned[:, 2:],
        joints[:, :, 2] * turned[:, :1] - joints[:, :, 0] * turned[:, 2:],
    )
    poses = lifted(tmp_path, H36M_16, joints, range(200))
    write(tmp_path / "body.bvh", poses)
    motion = read_bvh(tmp_path / "body.bvh").motion
    assert np.abs(np.diff(motion[:, 3:], axis=0)).max() < 180
    assert np.abs(motion[-1, 3:6] - motion[0, 3:6]).max() > 700  # two whole turns about the vertical


def test_a_file_for_each_track(tmp_path):
    joints = np.concatenate([moving(H36M_16, 4), moving(H36M_16, 3, seed=1), moving(H36M_16, 2)])
    track = np.repeat([1, 4, 9], [4, 3, 2])
    good = track != 9
    poses = lifted(tmp_path, H36M_16, joints, [0, 1, 2, 3, 1, 2, 3, 0, 1], track, good=good)
    files = write(tmp_path / "people.bvh", poses)
    assert [file.name for file in files] == ["people-track1.bvh", "people-track4.bvh"]
    assert [len(read_back(file, H36M_16)[0]) for file in files] == [4, 3]
    with pytest.raises(PoseplugError, match="'.*people-track1.bvh' is there already"):
        write(tmp_path / "people.bvh", poses)
    assert write(tmp_path / "people.bvh", poses, force=True) == files


def test_npz_and_json_agree(tmp_path, monkeypatch):
    monkeypatch.setattr(lifted_module, "BLOCK", 4)
    good = np.arange(11) % 5 != 3
    poses = lifted(tmp_path, H36M_16, moving(H36M_16, 11), range(11), [0] * 6 + [2] * 5, good=good, fps=None)
    for name in ("a.npz", "a.json"):
        write(tmp_path / name, poses)
    rows = poses.rows(slice(0, 11))
    with np.load(tmp_path / "a.npz") as stored:
        for name in ("joints_3d", "root", "joints_2d", "confidence", "camera", "frame", "track"):
            assert np.array_equal(stored[name], getattr(rows, name), equal_nan=True), name
        assert tuple(stored["joints"]) == H36M_16.joints
        assert tuple(stored["parents"]) == H36M_16.parent_index
        assert stored["units"] == "metres"
        assert np.isnan(stored["fps"])
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["skeleton"]["joints"] == list(H36M_16.joints)
    assert told["fps"] is None
    assert [person["track"] for person in told["people"]] == rows.track.tolist()
    assert [person["joints_3d"] is None for person in told["people"]] == (~good).tolist()
    for person, joints, root, pixels in zip(told["people"], rows.joints_3d, rows.root, rows.joints_2d, strict=True):
        assert np.allclose(person["joints_2d"], pixels, atol=0.006)
        if person["joints_3d"]:
            assert np.allclose(person["joints_3d"], joints, atol=6e-5)
            assert np.allclose(person["root"], root, atol=6e-5)


def test_a_posefile_holds_whoever_was_lifted_where_they_stand(tmp_path, monkeypatch):
    from poseplug.core.data.pose_file_reader import PoseFile

    monkeypatch.setattr(lifted_module, "BLOCK", 4)
    good = np.arange(11) % 5 != 3
    poses = lifted(tmp_path, H36M_16, moving(H36M_16, 11), range(11), [0] * 6 + [2] * 5, good=good)
    write(tmp_path / "a.safetensors", poses)
    file, rows = PoseFile(tmp_path / "a.safetensors"), poses.rows(np.flatnonzero(good))
    assert len(file) == good.sum()
    stored = file.rows(np.arange(len(file)))
    assert np.array_equal(stored.poses.joints_3d, rows.joints_3d + rows.root[:, None])
    assert np.array_equal(stored.poses.joints_2d, rows.joints_2d)
    assert stored.poses.camera.focal[0].tolist() == [1100, 1150]
    assert stored.poses.camera.size[-1].tolist() == [1000, 1002]
    assert stored.track.tolist() == rows.track.tolist()
    assert stored.frame.tolist() == rows.frame.tolist()


def test_a_file_that_fails_leaves_nothing(tmp_path, monkeypatch):
    poses = lifted(tmp_path / "tables", H36M_16, moving(H36M_16, 3), range(3))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Lifted, "rows", full)
    for name in ("a.npz", "a.json", "a.bvh", "a.safetensors"):
        with pytest.raises(PoseplugError, match="Cannot write .*No space left"):
            write(tmp_path / name, poses)
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]


def test_what_is_there_is_replaced_only_if_asked(tmp_path):
    (tmp_path / "there.npz").touch()
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(PoseplugError, match="there.npz' is there already.*--force"):
        check_outputs([tmp_path / "there.npz"], force=False)
    check_outputs([tmp_path / "there.npz"], force=True)
    with pytest.raises(PoseplugError, match="is a folder"):
        check_outputs([tmp_path / "folder.json"], force=True)
    with pytest.raises(PoseplugError, match=r"the suffix must be one of .npz, .json, .bvh, .safetensors"):
        check_outputs([tmp_path / "poses.fbx"], force=False)


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17], ids=lambda skeleton: skeleton.name)
def test_the_source_bvh_reads_what_was_lifted(tmp_path, skeleton):
    write(tmp_path / "body.bvh", lifted(tmp_path, skeleton, moving(skeleton, 6), range(6)))
    joints, names = read_clip(tmp_path / "body.bvh", skeleton, up="y", units="m")
    assert names == skeleton.joints
    found, _ = read_back(tmp_path / "body.bvh", skeleton)
    assert np.abs(np.diff(joints.numpy() - found * [1, -1, -1], axis=1)).max() < 1e-4


def test_a_posefile_of_people_who_stand_nowhere(tmp_path):
    poses = lifted(tmp_path, H36M_16, moving(H36M_16, 3), range(3))
    nowhere = Spool(tmp_path / "nowhere", poses.poses.columns)
    nowhere.append(joints_3d=poses.rows(slice(None)).joints_3d, root=np.full((3, 3), np.nan))
    with pytest.raises(PoseplugError, match="can be said where they stand.*seen at one point"):
        write(tmp_path / "a.safetensors", attrs.evolve(poses, poses=nowhere))
    assert not (tmp_path / "a.safetensors").exists()


def test_turning_one_direction_onto_another():
    targets = np.random.default_rng(0).normal(size=(20, 3))
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    for direction in np.concatenate([np.eye(3), -np.eye(3)]):
        ends = np.concatenate([targets, [direction, -direction]])
        turns = shortest_rotations(direction, ends)
        assert np.allclose(turns @ direction, ends, atol=1e-7)
        assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-7)
        assert np.allclose(np.linalg.det(turns), 1)


def test_angles_of_rotations():
    from poseplug.core.geometry.rotations import euler_to_rotmat

    angles = torch.rand(50, 3, dtype=torch.float64) * torch.tensor([358, 178, 358]) - torch.tensor([179, 89, 179])
    found = zxy_angles(euler_to_rotmat("ZXY", torch.deg2rad(angles)).numpy())
    assert np.allclose(found, angles.numpy(), atol=1e-6)
