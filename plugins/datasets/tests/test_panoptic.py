import json

import numpy as np
import pytest
import torch
from published_scenes import CAMERAS, LENS, ORDER_19, opencv, write_dome, write_sequence

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.panoptic import Panoptic, PanopticSettings

LIMBS = {"LKnee": "lKnee", "RWrist": "rWrist", "LShoulder": "lShoulder", "Thorax": "Neck", "Hip": "BodyCenter"}
LIMBS |= {"RFoot": "rAnkle", "LHip": "lHip"}


def source(path, **settings):
    return Panoptic(PanopticSettings(**{"path": str(path), "outside": "keep", **settings}), BuildContext())


def everything(found, size=3):
    return PoseBatch.join(list(found.batches(size)))


def in_camera(bodies, camera):
    """Return everybody's 19 joints as the toolbox puts them into a camera's frame, metres."""
    rotation, shift = CAMERAS[camera]
    world = np.stack([body[:, :3] for body in bodies.values()])
    return (np.einsum("ij,nkj->nki", rotation, world) + shift) / 100


def test_everybody_of_a_frame_is_where_the_camera_sees_them(tmp_path):
    written = write_dome(tmp_path)
    found = source(tmp_path)
    batch = everything(found)
    expected = np.concatenate([in_camera(bodies, "00_16") for frames in written.values() for bodies in frames])
    assert len(found) == batch.num_scenes == 8
    assert len(batch) == len(expected) == 20
    for joint, name in LIMBS.items():
        mine = batch.joints_3d[:, H36M_16.index(joint)].numpy()
        assert np.abs(mine - expected[:, ORDER_19.index(name)]).max() < 1e-4
        assert np.abs(batch.joints_2d[:, H36M_16.index(joint)].numpy() - pinhole(expected, name)).max() < 0.02
    assert torch.bincount(batch.scene).tolist() == [2, 3, 2, 3] * 2
    assert batch.scenes.most == 3
    assert torch.equal(batch.scenes.camera.position[batch.scene], batch.camera.position)
    assert found.label_names["action"] == ("haggling", "pizza")
    assert found.label_names["subject"][:3] == ("160224_haggling1 0", "160224_haggling1 1", "160224_haggling1 2")
    assert batch.labels["action"].tolist() == [0] * 10 + [1] * 10
    assert batch.labels["subject"].tolist()[:5] == [0, 1, 0, 1, 2]
    assert found.diagnostics() == {"left_out": 0}


def pinhole(joints, name):
    return opencv(joints[:, ORDER_19.index(name)], (0,) * 5)


def test_the_world_has_y_up(tmp_path):
    written = write_dome(tmp_path)
    batch = everything(source(tmp_path, cameras=("00_30", "00_03")))
    world = batch.camera.camera_to_world(batch.joints_3d)
    neck = {round(float(y), 3) for y in world[:, H36M_16.index("Thorax"), 1]}
    assert neck == {round(-body[0, 1] / 100, 3) for f in written.values() for bodies in f for body in bodies.values()}
    assert torch.allclose(torch.linalg.det(batch.camera.rotation), torch.ones(len(batch)), atol=1e-5)
    # The same person is at the same place, whoever looks, and not mirrored.
    first, second = world[:2], world[2:4]
    assert torch.allclose(first, second, atol=1e-4)
    assert batch.camera.position[:, 1].tolist() == pytest.approx([1.2] * len(batch), abs=1e-4)


def test_each_camera_has_a_scene_of_its_own(tmp_path):
    write_dome(tmp_path)
    one, two = (source(tmp_path, cameras=cameras) for cameras in (("00_16",), ("00_16", "00_30")))
    assert len(two) == 2 * len(one)
    assert torch.equal(everything(two).scenes.camera.position[::2], everything(one).scenes.camera.position)


def test_drawn_scenes_are_whole(tmp_path):
    write_dome(tmp_path)
    found = source(tmp_path, cameras=("00_16", "00_30"))
    whole = everything(found, 100)
    members = {}
    for scene in range(len(found)):
        rows = whole.scene == scene
        members[tuple(sorted(whole.joints_2d[rows, 0, 0].tolist()))] = whole.scenes.camera.position[scene].tolist()
    drawn = found.sample(50, torch.Generator().manual_seed(0))
    assert drawn.num_scenes == 50
    for scene in range(50):
        people = tuple(sorted(drawn.joints_2d[drawn.scene == scene, 0, 0].tolist()))
        assert members[people] == drawn.scenes.camera.position[scene].tolist()


def test_people_one_by_one(tmp_path):
    write_dome(tmp_path)
    found = source(tmp_path, whole_scenes=False)
    batch = everything(found)
    assert len(found) == len(batch) == 20
    assert batch.scenes is None
    assert len(found.sample(7, torch.Generator())) == 7


def test_who_is_not_seen_is_left_out(tmp_path):
    frame = {number: np.c_[np.random.default_rng(number).normal(0, 20, (19, 3)), np.ones(19)] for number in range(3)}
    rotation, shift = CAMERAS["00_16"]
    for number, place in enumerate(((0, 0, 400), (0, 0, -300), (900, 0, 400))):
        frame[number][:, :3] += rotation.T @ (np.array(place) - shift)  # before, behind, and beside the image
    write_sequence(tmp_path / "160224_mafia2", [frame, {}, {1: frame[1]}])
    for outside, people in (("drop", [0]), ("keep", [0, 2])):
        found = source(tmp_path, outside=outside)
        assert len(found) == 1
        assert [found.label_names["subject"][i][-1] for i in everything(found).labels["subject"]] == list(
            map(str, people)
        )


def test_unsure_joints_are_missing(tmp_path):
    write_dome(tmp_path, sequences=("160224_haggling1",))
    file = tmp_path / "160224_haggling1" / "hdPose3d_stage1_coco19" / "body3DScene_00000140.json"
    said = json.loads(file.read_text())
    said["bodies"][0]["joints19"][4 * ORDER_19.index("rKnee") + 3] = 0.1
    said["bodies"][1]["joints19"][4 * ORDER_19.index("lEar") + 3] = -1
    file.write_text(json.dumps(said))
    found = source(tmp_path)
    assert found.diagnostics() == {"left_out": 1}
    assert torch.bincount(everything(found).scene).tolist() == [1, 3, 2, 3]
    assert source(tmp_path, confidence=0.05).diagnostics() == {"left_out": 0}


def test_the_lens(tmp_path):
    written = write_dome(tmp_path, sequences=("160224_haggling1",))
    batch = everything(source(tmp_path, distortion=True, skeleton="panoptic15"))
    expected = np.concatenate([in_camera(bodies, "00_16") for bodies in written["160224_haggling1"]])[:, :15]
    assert np.abs(batch.joints_3d.numpy() - expected).max() < 1e-4
    straight, bent = (np.abs(batch.joints_2d.numpy() - opencv(expected, lens)).max() for lens in ((0,) * 5, LENS))
    assert bent < 2.0  # of tangential terms there is only a part
    assert straight > 5
    radial = (*LENS[:2], 0, 0, LENS[4])
    assert np.abs(opencv(expected, radial) - opencv(expected, LENS)).max() > bent


def test_layouts_strides_and_choices(tmp_path):
    write_dome(tmp_path)
    assert source(tmp_path, skeleton="panoptic15").skeleton == LAYOUTS["panoptic15"]
    run = BuildContext(skeleton=LAYOUTS["panoptic15"])
    assert Panoptic(PanopticSettings(path=str(tmp_path)), run).skeleton == LAYOUTS["panoptic15"]
    assert len(source(tmp_path, stride=3)) == 4
    assert len(source(tmp_path, actions=("pizza",))) == len(source(tmp_path, sequences=("160906_pizza1",))) == 4
    assert len(source(tmp_path / "160906_pizza1")) == 4
    half = source(tmp_path, share=0.5, share_seed=0)
    assert len(half) == 4
    assert everything(half).scene.unique().tolist() == [0, 1, 2, 3]
    for settings, message in (
        ({"actions": ("opera",)}, "no sequence of opera; its activities: haggling, pizza"),
        ({"sequences": ("160224_opera1",)}, "no sequence '160224_opera1'; it has 160224_haggling1, 160906_pizza1"),
        ({"cameras": ("00_99",)}, "no camera '00_99'; it has 00_03, 00_16, 00_30"),
    ):
        with pytest.raises(PoseplugError, match=message):
            source(tmp_path, **settings)


def test_who_lacks_the_data_is_told_where_it_is_to_be_had(tmp_path):
    with pytest.raises(PoseplugError, match=r"no '.*hdPose3d_stage1_coco19'.*domedb.perception.cs.cmu.edu.*path="):
        source(tmp_path)
    (tmp_path / "160906_pizza1" / "hdPose3d_stage1_coco19").mkdir(parents=True)
    with pytest.raises(PoseplugError, match="calibration_160906_pizza1.json"):
        source(tmp_path)


def change(file, key, value):
    said = json.loads(file.read_text())
    (said["bodies"] if "bodies" in said else said["cameras"])[0][key] = value
    file.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", None, "body 0: has no number 'id'"),
        ("joints19", [1.0] * 75, "joints19, is an array of 75; expected 76"),
        ("joints19", ["1"] * 76, "joints19, is no array of numbers"),
        ("joints19", [float("nan")] * 76, "joints19, holds nan"),
        ("joints19", [20000.0] * 76, "is 200 m from the middle of the dome; expected centimetres"),
        ("K", [[0.0] * 3] * 3, "is no camera: its focal lengths"),
        ("K", [[1.0] * 3] * 2, "K, is an array of 2 x 3; expected 3 x 3"),
        ("R", [[1.0] * 3] * 3, "its R is no rotation"),
        ("t", [[1.0]], "its t is not 3 numbers"),
        ("distCoef", "none", "distCoef, is no array of numbers"),
        ("name", 3, "no camera '00_16'; it has 00_03, 00_30"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, key, value, message):
    write_dome(tmp_path, sequences=("160224_haggling1",))
    folder = tmp_path / "160224_haggling1"
    body = key in ("id", "joints19")
    file = folder / ("hdPose3d_stage1_coco19/body3DScene_00000141.json" if body else f"calibration_{folder.name}.json")
    change(file, key, value)
    with pytest.raises(PoseplugError, match=message) as caught:
        source(tmp_path)
    assert file.name in str(caught.value)
