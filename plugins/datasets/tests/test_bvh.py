import os

import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.bvh import BVH, BVHSettings, read_poses
from poseplug_datasets.mocap import bvh_clips, bvh_file
from poseplug_datasets.mocap.bvh_clips import UNITS, describe, find_clips, read_clip


def source(path, context=None, **options):
    return BVH(BVHSettings(path=str(path), **options), context or BuildContext())


def poses(path, context=None, **options):
    return read_poses(BVHSettings(path=str(path), **options), context or BuildContext())


STEMS = [f"clip{number:02d}" for number in range(12)]


def test_every_fifth_clip_by_file_name_is_test(folder):
    path = folder(STEMS)
    # Clip i has i + 1 frames: how many poses a split has tells which clips are in it.
    assert len(poses(path, split="test", stride=1).joints) == 5 + 10
    assert len(poses(path, split="train", stride=1).joints) == sum(range(1, 13)) - 15
    assert len(poses(path, split="all", stride=1).joints) == sum(range(1, 13))
    assert len(poses(path, stride=1).joints) == sum(range(1, 13)) - 15


def test_the_order_is_that_of_file_names_in_all_subfolders(folder):
    path = folder(STEMS)
    (path / "z").mkdir()
    (path / "clip00.bvh").rename(path / "z" / "clip00.BVH")
    (path / "._clip00.bvh").write_bytes(b"\0")
    (path / "notes.txt").write_text("not a clip")
    assert [clip.stem for clip in find_clips(path)] == STEMS
    assert len(poses(path, split="test", stride=1).joints) == 5 + 10


def test_clips_are_read_once_as_far_as_there_is_room_and_anew_when_they_change(folder, monkeypatch):
    path, read = folder(STEMS), []
    whole = poses(path, split="all", stride=1).joints
    size = bvh_clips.joint_positions(bvh_clips.read_bvh(path / "clip00.bvh")).nbytes  # of one frame
    monkeypatch.setattr(bvh_clips, "_CLIPS", bvh_clips._Clips(room=(1 + 2 + 3) * size))
    monkeypatch.setattr(bvh_clips, "read_bvh", lambda clip: read.append(clip.stem) or bvh_file.read_bvh(clip))
    for expected in (STEMS, STEMS[3:], STEMS[3:]):
        joints = poses(path, split="all", stride=1).joints
        assert torch.equal(joints, whole)
        joints.zero_()  # what is kept is nobody's to write into
        assert read == expected
        read.clear()
    os.utime(path / "clip01.bvh", ns=(1, 1))
    poses(path, split="all", stride=1)
    assert read == [STEMS[1], *STEMS[3:]]


def test_every_second_frame_by_default(folder):
    path = folder(STEMS)
    assert len(poses(path, split="all").joints) == sum((frames + 1) // 2 for frames in range(1, 13))
    one = poses(path / "clip04.bvh", stride=3).joints
    torch.testing.assert_close(one[:, 0, 2], torch.tensor([0.0, 0.3]))


def test_a_label_in_the_file_name_splits(folder):
    path = folder(["walk_old_1", "walk_young_1", "run_old_1"])
    assert len(poses(path, split="test", test_label="old", stride=1).joints) == 1 + 3
    assert len(poses(path, split="train", test_label="old", stride=1).joints) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"split": "test"}, "has no clip in split=test: it holds 3, and every 5th clip is test. Use split=all"),
        ({"split": "test", "test_label": "child"}, "and the clips with 'child' in their name are test"),
        ({"split": "train", "test_label": "clip"}, "has no clip in split=train"),
    ],
)
def test_a_split_without_clips(folder, options, reason):
    with pytest.raises(PoseplugError) as error:
        source(folder(STEMS[:3]), **options)
    assert reason in str(error.value)


def test_a_single_file_trains(folder):
    assert len(source(folder(STEMS) / "clip04.bvh", cameras="random")) == 3


def test_nothing_to_read(tmp_path):
    with pytest.raises(PoseplugError, match="There is no file or folder '.*nowhere'; give path="):
        source(tmp_path / "nowhere")
    with pytest.raises(PoseplugError, match="holds no .bvh file"):
        source(tmp_path)


@pytest.mark.parametrize("name", UNITS)
def test_units_are_known_by_the_legs(name, folder):
    named, guessed, number = (
        poses(folder(["one"], unit=UNITS[name]), units=units).joints for units in (name, "auto", str(UNITS[name]))
    )
    assert float(guessed[0, 0, 1]) == pytest.approx(0.95)
    torch.testing.assert_close(named, guessed)
    torch.testing.assert_close(number, guessed)


def test_a_unit_nobody_uses(folder):
    path = folder(["one"], unit=3.0)
    with pytest.raises(PoseplugError, match=r"one\.bvh': the legs are 0\.2868 units long.*give units="):
        source(path)
    assert float(poses(path, units="3").joints[0, 0, 1]) == pytest.approx(0.95)


@pytest.mark.parametrize("wrong", ["parsec", "-1", "0", "nan", "inf"])
def test_bad_units_are_refused(wrong):
    with pytest.raises(ValueError, match="must be auto, m, cm, mm, inch, cmu or metres per unit"):
        BVHSettings(path="x", units=wrong)


def test_files_with_z_up(folder):
    upright = poses(folder(["one"]), up="y").joints
    tilted = folder(["one"], z_up=True)
    torch.testing.assert_close(poses(tilted, up="z").joints, upright)
    torch.testing.assert_close(poses(tilted).joints, upright)
    lying = poses(tilted, up="y").joints
    torch.testing.assert_close(lying, torch.stack([upright[..., 0], -upright[..., 2], upright[..., 1]], dim=-1))


@pytest.mark.parametrize(
    ("stem", "action", "subject"),
    [
        ("dataset-2_walk-turn-left_active_001", "walk-turn-left", "lab"),
        ("dataset-1_dance-short_not-confident_012", "dance-short", "lab"),
        ("fallAndGetUp2_subject3", "fallAndGetUp", "subject3"),
        ("jump_012", "jump", "lab"),
        ("Jumping Jack-3", "Jumping Jack", "lab"),
        ("007", "007", "lab"),
    ],
)
def test_what_names_tell(tmp_path, stem, action, subject):
    assert describe(tmp_path / "lab" / f"{stem}.bvh") == (action, subject)


def test_labels_by_a_pattern(folder):
    path = folder(["s1-walk-a", "s2-run-a", "s1-run-b", "odd"])
    found = poses(path, split="all", stride=1, labels=r"(?P<subject>s\d)-(?P<action>\w+)-")
    assert found.label_names == {"action": ("odd", "run", "walk"), "subject": ("capture", "s1", "s2")}
    # In the order of file names: odd (4 frames), s1-run-b (3), s1-walk-a (1), s2-run-a (2).
    assert found.labels["action"].tolist() == [0] * 4 + [1] * 3 + [2] + [1] * 2
    assert found.labels["subject"].tolist() == [0] * 4 + [1] * 3 + [1] + [2] * 2


def test_the_classes_of_both_splits_agree(folder):
    path = folder([f"action{letter}_1" for letter in "abcdefg"])
    train, test = poses(path), poses(path, split="test")
    assert train.label_names == test.label_names
    assert set(test.labels["action"].tolist()) == {4}


@pytest.mark.parametrize(("pattern", "reason"), [("(", "must be a regular expression"), ("x", "must have a group")])
def test_bad_patterns_are_refused(pattern, reason):
    with pytest.raises(ValueError, match=reason):
        BVHSettings(path="x", labels=pattern)


def test_the_layout_is_the_runs_unless_named(folder):
    path = folder(["one"])
    assert source(path).skeleton == H36M_16
    assert source(path, BuildContext(skeleton=H36M_17)).skeleton == H36M_17
    assert source(path, BuildContext(skeleton=H36M_17), skeleton="h36m16").skeleton == H36M_16


def test_one_damaged_clip_is_named(folder):
    path = folder(STEMS)
    text = (path / "clip07.bvh").read_text()
    (path / "clip07.bvh").write_text(text[:-20])
    with pytest.raises(PoseplugError, match=r"clip07\.bvh', line \d+: frame 8 has"):
        source(path)


def test_a_clip_without_a_joint_is_named(folder):
    path = folder(STEMS)
    text = (path / "clip07.bvh").read_text()
    (path / "clip07.bvh").write_text(text.replace("JOINT Hand_L", "JOINT Flower_L"))
    with pytest.raises(PoseplugError, match=r"clip07\.bvh': .* nearest is 'bandai', which lacks Hand_l for LWrist"):
        source(path)


@pytest.mark.mocap
class TestRealMotion:
    def test_the_splits_of_the_benchmark(self, mocap):
        lab = mocap / "lab"
        clips = sorted(lab.glob("*.bvh"), key=lambda clip: clip.name)
        frames = [len(read_clip(clip, stride=2)[0]) for clip in clips]
        assert len(poses(lab, split="test").joints) == sum(frames[4::5])
        assert len(poses(lab, split="train").joints) == sum(frames) - sum(frames[4::5])

    def test_bodies_are_human(self, mocap):
        found = poses(mocap / "wild", split="all")
        assert len(found.label_names["action"]) >= 15
        index = {name: number for number, name in enumerate(found.skeleton.joints)}
        shin = (found.joints[:, index["RFoot"]] - found.joints[:, index["RKnee"]]).norm(dim=-1)
        torch.testing.assert_close(shin, torch.full_like(shin, 0.409854), rtol=0, atol=1e-3)
        height = found.joints[..., 1]
        assert -0.1 < float(height.min()) < float(height.max()) < 2.6
        assert 0.7 < float(height[:, 0].median()) < 1.0
