import attrs
import numpy as np
import pytest
import torch
from published import (
    H36M_32,
    ORDER_17,
    QUATERNIONS,
    SYMMETRY,
    h36m_people,
    h36m_pixels,
    to_camera,
    to_pixels,
    write_detections,
    write_h36m,
)

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.h36m import H36M, H36MSettings, parse_subjects

FILE = "data_3d_h36m.npz"


@pytest.fixture(scope="module")
def people():
    return h36m_people()


@pytest.fixture
def folder(tmp_path, people):
    write_h36m(tmp_path / FILE, people)
    return tmp_path


def source(path, context=None, **settings):
    return H36M(H36MSettings(path=str(path), **settings), context or BuildContext())


def everything(found):
    return PoseBatch.join(list(found.batches(50)))


def views(found, subject, camera, *takes):
    """The views of a subject's takes under a camera, in order."""
    batch = everything(found)
    mine = batch.labels["subject"] == found.label_names["subject"].index(subject)
    order = torch.arange(len(batch))[mine]
    cameras = found.recordings.views.camera[mine] % 4
    return batch.select(order[cameras == camera])


def test_poses_are_where_the_cameras_see_them(folder, people):
    found = {split: source(folder, split=split, skeleton="h36m17") for split in ("train", "test", "all")}
    sizes = {split: len(one) for split, one in found.items()}
    frames = sum(len(take) for take in people["S1"].values())
    assert sizes == {"train": 5 * 4 * frames, "test": 2 * 4 * frames, "all": 7 * 4 * frames}
    for subject, camera in QUATERNIONS:
        split = "train" if subject == "S1" else "test"
        seen = views(found[split], subject, camera)
        world = np.concatenate([take[:, list(H36M_32.values())] for take in people[subject].values()])
        expected = to_camera(world.astype(float), subject, camera)
        # The sheet's figures have five digits.
        assert np.abs(seen.joints_3d.numpy() - expected).max() < 2e-4
        # PoseAug's projection clamps at 45 degrees, where nobody is.
        assert np.abs(expected[..., :2] / expected[..., 2:]).max() < 1
        exact = to_pixels(seen.joints_3d.numpy().astype(float), camera)
        assert np.abs(seen.joints_2d.numpy() - exact).max() < 0.01
        assert seen.camera.size[0].tolist() == [1000, 1002 if camera in (0, 3) else 1000]


def test_sixteen_joints_are_the_seventeen_without_neck(folder):
    both = [everything(source(folder, skeleton=name)) for name in ("h36m16", "h36m17")]
    kept = [H36M_17.index(joint) for joint in H36M_16.joints]
    assert torch.equal(both[0].joints_3d, both[1].joints_3d[:, kept])
    assert source(folder).skeleton == H36M_16
    assert source(folder, BuildContext(skeleton=H36M_17)).skeleton == H36M_17
    assert H36M_17.joints == ORDER_17


def test_the_world_has_y_up(folder, people):
    batch = everything(source(folder, split="test"))
    assert float(batch.camera.position[:, 1].min()) > 1.4
    assert float(batch.camera.position[:, 1].max()) < 1.6
    root = batch.camera.camera_to_world(batch.joints_3d)[0, 0]
    x, y, z = people["S9"]["Sitting"][0, 0]
    assert torch.allclose(root, torch.tensor([x, z, -y]), atol=1e-5)


def test_an_action_is_the_first_word_and_nothing_that_begins_like_it(folder, people):
    found = source(folder, split="test")
    assert found.label_names["action"] == ("Greeting", "Sitting", "SittingDown", "Waiting", "WalkDog")
    action = everything(found).labels["action"]
    for i, name in enumerate(found.label_names["action"]):
        frames = sum(len(p) for s in ("S9", "S11") for t, p in people[s].items() if t.split()[0] == name)
        assert int((action == i).sum()) == 4 * frames
    assert source(folder).label_names == found.label_names


def test_subjects_as_the_papers_write_them(folder):
    assert parse_subjects("S15678") == parse_subjects("S1, S5,S6 ,S7,S8") == ("S1", "S5", "S6", "S7", "S8")
    assert parse_subjects("S11") == ("S11",)
    for bad in ("S2", "S1,S1", "S911", "everybody"):
        with pytest.raises(ValueError, match="must name subjects"):
            H36MSettings(path="x", subjects=bad)
    frames = len(source(folder, subjects="S1"))
    assert len(source(folder, subjects="S15")) == 2 * frames
    assert len(source(folder, subjects="S156", split="all")) == 3 * frames
    # What a run trains on does not say what it is evaluated on.
    assert len(source(folder, subjects="S1", split="test")) == len(source(folder, split="test"))
    assert len(source(folder, subjects="S9", split="test")) == frames


def test_s9_is_moved_where_asked(folder):
    before, after = (everything(source(folder, split="test", correct_s9=on)) for on in (False, True))
    moved = after.camera.camera_to_world(after.joints_3d) - before.camera.camera_to_world(before.joints_3d)
    names = source(folder, split="test").label_names
    s9 = before.labels["subject"] == names["subject"].index("S9")
    actions = [names["action"].index(name) for name in ("Greeting", "SittingDown", "Waiting")]
    shifted = s9 & torch.isin(before.labels["action"], torch.tensor(actions))
    shift = torch.tensor([-0.2, 0, 0]).expand_as(moved[shifted])
    assert torch.allclose(moved[shifted], shift, atol=1e-5)
    assert torch.allclose(moved[~shifted], torch.zeros(3), atol=1e-5)
    assert int(shifted.sum()) > 0


def test_stride(folder):
    every, third = source(folder, skeleton="h36m17"), source(folder, skeleton="h36m17", stride=3)
    assert torch.equal(everything(third).joints_3d[:2], everything(every).joints_3d[[0, 3]])
    assert len(third) == 5 * 4 * sum(-(-n // 3) for n in (4, 5, 6, 7, 8, 9))


@pytest.mark.parametrize("symmetry", [SYMMETRY[17], None])
def test_detections(folder, people, symmetry):
    found = h36m_pixels(people, longer=2)
    found["S2"] = {"Walking": [np.zeros((3, 17, 2), np.float32)] * 4}
    write_detections(folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz", found, symmetry)
    read = source(folder, skeleton="h36m17", detections="cpn_ft_h36m_dbb")
    assert read.further_files == (folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz",)
    assert read.measured_2d
    expected = [v[: len(people["S1"][take])] for take, videos in found["S1"].items() for v in videos]
    mine = everything(read).joints_2d[: sum(map(len, expected))]
    assert np.array_equal(mine.numpy(), np.concatenate(expected))
    assert torch.equal(everything(read).joints_3d, everything(source(folder, skeleton="h36m17")).joints_3d)
    sixteen = everything(source(folder, detections="data_2d_h36m_cpn_ft_h36m_dbb.npz", stride=2))
    assert torch.equal(sixteen.joints_2d[0, 9], mine[0, 10])
    assert torch.equal(sixteen.joints_2d[1], mine[2][[H36M_17.index(joint) for joint in H36M_16.joints]])


def test_ground_truth_in_16_joints_is_the_projection(folder, people):
    projected = source(folder, split="all")
    order = [joint for joint in ORDER_17 if joint != "Neck"]
    found = {subject: {} for subject in people}
    start = 0
    pixels = everything(projected).joints_2d.numpy()
    for subject in ("S1", "S5", "S6", "S7", "S8", "S9", "S11"):
        for take, positions in people[subject].items():
            videos = pixels[start : start + 4 * len(positions)].reshape(4, len(positions), len(order), 2)
            found[subject][take] = list(videos)
            start += 4 * len(positions)
    for name, symmetry in (("a", SYMMETRY[16]), ("b", SYMMETRY[17]), ("c", None)):
        write_detections(folder / f"data_2d_h36m_{name}.npz", found, symmetry)
        read = everything(source(folder, split="all", detections=name))
        assert float((read.joints_2d - everything(projected).joints_2d).abs().max()) < 0.01
    with pytest.raises(PoseplugError, match="16 joints, without Neck; load it with skeleton=h36m16"):
        source(folder, skeleton="h36m17", detections="a")


def test_detections_in_other_orders(folder, people):
    found = h36m_pixels(people, order=range(16))
    write_detections(folder / "data_2d_h36m_sh.npz", found, [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]])
    mine = everything(source(folder, detections="sh")).joints_2d[0].numpy()
    original = found["S1"]["Sitting"][0][0]
    # MPII: right ankle first, pelvis 6, upper neck 8, head 9, left wrist last.
    assert np.array_equal(mine[H36M_16.index("RFoot")], original[0])
    assert np.array_equal(mine[H36M_16.index("LWrist")], original[15])
    assert np.array_equal(mine[H36M_16.index("Head")], original[9])
    write_detections(folder / "data_2d_h36m_odd.npz", found, [[0, 1], [2, 3]])
    with pytest.raises(PoseplugError, match="16 joints in an order that is not known"):
        source(folder, detections="odd")


def changed(people, subject="S9", take="Waiting 1", **how):
    copy = {name: dict(takes) for name, takes in people.items()}
    copy[subject][take] = how["to"](copy[subject][take].copy())
    return copy


def with_nan(clip):
    clip[2, 15, 1] = np.nan
    return clip


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (with_nan, "S9 'Waiting 1', holds nan in frame 2; expected numbers"),
        (
            lambda clip: clip * 1000,
            "S9 'Waiting 1', frame 0: a joint is .* m in front of its camera; expected 0.1 to 100",
        ),
        (lambda clip: clip[:, :17], "S9 'Waiting 1', is an array of 8 x 17 x 3; expected any x 32 x 3"),
        (lambda clip: clip.tolist(), "S9 'Waiting 1', is no array of numbers"),
        (lambda clip: clip.astype(str), "S9 'Waiting 1', is no array of numbers"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, people, to, message):
    write_h36m(tmp_path / FILE, changed(people, to=to))
    with pytest.raises(PoseplugError, match=message) as caught:
        source(tmp_path, split="test")
    assert FILE in str(caught.value)
    assert len(source(tmp_path))  # the other subjects are as they were


def test_who_lacks_the_data_is_told_where_it_is_to_be_had(folder, people):
    with pytest.raises(PoseplugError, match=r"no '.*data_3d_h36m.npz'.*vision.imar.ro.*prepare_data_h36m.py.*path="):
        source(folder / "nowhere" / FILE)
    with pytest.raises(PoseplugError, match=r"no '.*data_2d_h36m_hr.npz'.*DATASETS.md.*beside the 3D file"):
        source(folder, detections="hr")
    write_h36m(folder / FILE, {"S1": people["S1"], "S9": people["S9"]})
    with pytest.raises(PoseplugError, match="holds no subject S5; it has S1, S9"):
        source(folder)
    assert len(source(folder, subjects="S1"))


def test_detections_that_do_not_fit(folder, people):
    found = h36m_pixels(people)
    found["S1"]["Sitting"][2] = found["S1"]["Sitting"][2][:3]
    write_detections(folder / "data_2d_h36m_short.npz", found)
    with pytest.raises(PoseplugError, match="S1 'Sitting', camera 2, has 3 frames; the 3D file has 4"):
        source(folder, detections="short")
    del found["S1"]["Sitting"][1]
    write_detections(folder / "data_2d_h36m_three.npz", found)
    with pytest.raises(PoseplugError, match="S1 'Sitting': there are no 2D joints of 4 cameras"):
        source(folder, detections="three")


def test_settings_can_be_kept():
    assert attrs.asdict(H36MSettings(path="x"))["detections"] == ""
