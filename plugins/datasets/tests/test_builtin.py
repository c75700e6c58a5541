import math
import time

import attrs
import pytest
import torch

from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings, h36m_cameras, world_poses
from poseplug_datasets.procedural.actions import ANGLES, LIMITS, angle_kind
from poseplug_datasets.procedural.animation import angle_curves, pose
from poseplug_datasets.procedural.anthropometry import SUBJECTS, statures
from poseplug_datasets.procedural.anthropometry import bone_lengths as body_lengths
from poseplug_datasets.procedural.repertoire import ACTIONS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def everybody():
    return world_poses(H36M_16, "all", 4, 64, CPU)


def joint(poses, name):
    return poses.joints[:, poses.skeleton.index(name)]


def of(poses, *names):
    numbers = [poses.label_names["action"].index(name) for name in names]
    return torch.isin(poses.labels["action"], torch.tensor(numbers))


STANDING = (
    "Directions",
    "Discussion",
    "Greeting",
    "Phoning",
    "Posing",
    "Smoking",
    "Waiting",
    "Walking",
    "WalkTogether",
)


def test_what_it_holds(everybody):
    assert len(everybody.label_names["action"]) == len(set(everybody.label_names["action"])) == 15
    assert everybody.label_names["subject"] == ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
    assert len(everybody.joints) == 15 * 7 * 4 * 64
    for label, classes in (("action", 15), ("subject", 7)):
        counts = torch.bincount(everybody.labels[label])
        assert counts.tolist() == [len(everybody.joints) // classes] * classes
    assert torch.isfinite(everybody.joints).all()


def test_the_splits_share_no_subject_and_make_up_the_whole(everybody):
    train, test = (world_poses(H36M_16, split, 4, 64, CPU) for split in ("train", "test"))
    assert [train.label_names["subject"][i] for i in train.labels["subject"].unique()] == ["S1", "S5", "S6", "S7", "S8"]
    assert [test.label_names["subject"][i] for i in test.labels["subject"].unique()] == ["S9", "S11"]
    tests = everybody.labels["subject"] >= 5
    torch.testing.assert_close(test.joints, everybody.joints[tests], rtol=0, atol=1e-6)
    torch.testing.assert_close(train.joints, everybody.joints[~tests], rtol=0, atol=1e-6)


def test_the_runs_seed_changes_nothing_and_making_it_is_quick():
    first = Builtin(BuiltinSettings(), BuildContext(seed=1))
    begin = time.perf_counter()
    second = Builtin(BuiltinSettings(), BuildContext(seed=2))
    assert time.perf_counter() - begin < 5  # a fraction of a second; the margin is for a busy machine
    for one, other in zip(first.batches(40_000), second.batches(40_000), strict=True):
        assert torch.equal(one.joints_2d, other.joints_2d)


def test_bones_are_rigid_symmetric_and_each_subjects_own(everybody):
    lengths = bone_lengths(everybody.joints, H36M_16)
    expected = body_lengths(H36M_16)[everybody.labels["subject"]]
    torch.testing.assert_close(lengths, expected, rtol=0, atol=2e-6)
    ends = {H36M_16.joints[child]: bone for bone, (_, child) in enumerate(H36M_16.bones)}
    for left, right in H36M_16.pairs:
        assert torch.equal(expected[:, ends[left]], expected[:, ends[right]])
    assert len({tuple(row) for row in body_lengths(H36M_16).tolist()}) == 7


def test_proportions_are_those_of_the_sources():
    # Drillis and Contini, as shares of the stature, on the average subject.
    ends = {H36M_16.joints[child]: bone for bone, (_, child) in enumerate(H36M_16.bones)}
    shares = (body_lengths(H36M_16) / statures()[:, None]).mean(0)
    for name, share in (("RKnee", 0.245), ("RFoot", 0.246), ("RElbow", 0.186), ("RWrist", 0.146)):
        assert float(shares[ends[name]]) == pytest.approx(share, rel=0.01)
    assert float(shares[ends["Spine"]] + shares[ends["Thorax"]]) == pytest.approx(0.818 - 0.530, rel=0.01)
    assert 1.5 < min(subject.stature for subject in SUBJECTS) < max(subject.stature for subject in SUBJECTS) < 1.95
    # Close to the Human3.6M templates (metres, mean of five subjects), whose layout it imitates.
    template = {"RHip": 0.136, "RKnee": 0.452, "RFoot": 0.447, "Spine": 0.242, "Thorax": 0.256, "RShoulder": 0.151}
    means = body_lengths(H36M_16).mean(0)
    for name, length in template.items():
        assert float(means[ends[name]]) == pytest.approx(length, rel=0.1)


def test_everybody_touches_the_ground_and_nobody_sinks_in(everybody):
    height = everybody.joints[..., 1]
    stature = statures()[everybody.labels["subject"]]
    feet = torch.stack([joint(everybody, "LFoot"), joint(everybody, "RFoot")], dim=1)[..., 1]
    upright = of(everybody, *STANDING)
    torch.testing.assert_close(feet[upright].amin(1), 0.039 * stature[upright], rtol=0, atol=1e-5)
    assert float(height.min()) > 0.02
    assert float(feet[of(everybody, "Directions", "Discussion", "Phoning", "Waiting", "Smoking")].max()) < 0.25
    assert float(height.amax() / stature.max()) < 1.35


def side_of(poses, a, b, c):
    """How far joint b lies before the line from a to c, along where the pelvis or the shoulders face, in metres."""
    pair = ("LHip", "RHip") if b.endswith("Knee") else ("LShoulder", "RShoulder")
    across = joint(poses, pair[0]) - joint(poses, pair[1])
    up = joint(poses, "Thorax") - joint(poses, "Hip")
    facing = torch.linalg.cross(across, up)
    middle = (joint(poses, a) + joint(poses, c)) / 2
    return ((joint(poses, b) - middle) * facing / facing.norm(dim=-1, keepdim=True)).sum(-1)


@pytest.mark.parametrize("side", ["L", "R"])
def test_knees_bend_backwards(everybody, side):
    # The knee never lies behind the line from hip to foot where legs are under the body.
    walking = of(everybody, "Walking", "WalkTogether", "Waiting", "Photo", "Directions")
    bent = side_of(everybody, f"{side}Hip", f"{side}Knee", f"{side}Foot")[walking]
    assert float(bent.min()) > -0.02
    assert float(bent.max()) > 0.1


@pytest.mark.parametrize("side", ["L", "R"])
def test_elbows_bend_forwards(everybody, side):
    # Where the upper arm hangs, the forearm points from it to the front or across the body, never behind.
    shoulder, elbow, wrist = (joint(everybody, side + name) for name in ("Shoulder", "Elbow", "Wrist"))
    upper = (elbow - shoulder) / (elbow - shoulder).norm(dim=-1, keepdim=True)
    forearm = (wrist - elbow) / (wrist - elbow).norm(dim=-1, keepdim=True)
    across = joint(everybody, "LShoulder") - joint(everybody, "RShoulder")
    facing = torch.linalg.cross(across, -upper)
    facing = facing / facing.norm(dim=-1, keepdim=True)
    forwards = (forearm * facing).sum(-1)[upper[:, 1] < -0.9]
    assert len(forwards) > 5000
    assert float(forwards.min()) > -0.1
    assert float(forwards.max()) > 0.9


def test_sitting_sits(everybody):
    seated = of(everybody, "Sitting", "Eating")
    hip, knee = joint(everybody, "Hip")[seated, 1], joint(everybody, "RKnee")[seated, 1]
    assert 0.3 < float(hip.min()) < float(hip.max()) < 0.75
    assert float((hip - knee).abs().median()) < 0.1
    floor = joint(everybody, "Hip")[of(everybody, "SittingDown"), 1]
    assert float(floor.median()) < 0.45
    assert float(joint(everybody, "Hip")[of(everybody, *STANDING), 1].min()) > 0.7


def test_hands_do_what_the_action_says(everybody):
    head = joint(everybody, "Head")
    hands = torch.stack([joint(everybody, "LWrist"), joint(everybody, "RWrist")], dim=1)
    near = (hands - head[:, None]).norm(dim=-1).amin(1)
    # The wrist is a hand's length from what the hand holds.
    assert float(near[of(everybody, "Phoning")].median()) < 0.32
    assert float(near[of(everybody, "Eating")].amin()) < 0.22
    assert float(near[of(everybody, "Smoking")].amin()) < 0.28
    assert float(near[of(everybody, "Walking")].amin()) > 0.4
    assert float((hands[..., 1].amax(1) - head[:, 1])[of(everybody, "Greeting")].max()) > 0.1
    assert float(joint(everybody, "Thorax")[of(everybody, "Purchases"), 1].min()) < 1.1


def test_walking_alternates():
    (walking,) = (action for action in ACTIONS if action.name == "Walking")
    angles, _ = angle_curves(walking, 20, 64, torch.Generator().manual_seed(0))
    left, right = (angles[..., ANGLES.index(f"{side}_hip_flex")] for side in "lr")
    arm = angles[..., ANGLES.index("l_arm_flex")]
    centred = [values - values.mean(1, keepdim=True) for values in (left, right, arm)]
    assert float((centred[0] * centred[1]).mean(1).max()) < -100
    assert float((centred[0] * centred[2]).mean(1).max()) < -100


def test_angles_stay_within_their_limits():
    for number, action in enumerate(ACTIONS):
        angles, heading = angle_curves(action, 12, 40, torch.Generator().manual_seed(number))
        assert angles.shape == (12, 40, len(ANGLES))
        assert heading.shape == (12, 40)
        for column, angle in enumerate(ANGLES):
            low, high = LIMITS[angle_kind(angle)]
            assert low <= float(angles[..., column].min()) <= float(angles[..., column].max()) <= high
        # No jumps: within a tenth of a second no joint turns by more than a fast gesture does.
        assert float(angles.diff(dim=1).abs().max()) < 90


def posed(skeleton, **degrees):
    angles = torch.zeros(1, len(ANGLES))
    for angle, value in degrees.items():
        angles[0, ANGLES.index(angle)] = value
    lengths = torch.ones(1, skeleton.num_bones)
    joints = pose(angles, torch.zeros(1), lengths, torch.ones(1), skeleton)[0]
    return {name: joints[i] - joints[0] for i, name in enumerate(skeleton.joints)}


def direction(joints, start, end):
    return [round(value, 4) + 0.0 for value in (joints[end] - joints[start]).tolist()]


def test_the_angles_mean_what_they_say():
    # World axes: x to the person's left, y up, z forwards; all bones one metre long.
    upright = posed(H36M_16)
    assert direction(upright, "Hip", "LHip") == [1, 0, 0]
    assert direction(upright, "RHip", "RFoot") == [0, -2, 0]
    assert direction(upright, "Hip", "Head") == [0, 3, 0]
    assert direction(upright, "RShoulder", "RWrist") == [0, -2, 0]
    for s, outwards in (("L", 1), ("R", -1)):
        side = s.lower()
        kick = posed(H36M_16, **{f"{side}_hip_flex": 90, f"{side}_knee": 90})
        assert direction(kick, f"{s}Hip", f"{s}Knee") == [0, 0, 1]
        assert direction(kick, f"{s}Knee", f"{s}Foot") == [0, -1, 0]
        split = posed(H36M_16, **{f"{side}_hip_abd": 30})
        assert direction(split, f"{s}Hip", f"{s}Knee") == [outwards * 0.5, -0.866, 0]
        reach = posed(H36M_16, **{f"{side}_arm_flex": 30, f"{side}_elbow": 60})
        assert direction(reach, f"{s}Shoulder", f"{s}Elbow") == [0, -0.866, 0.5]
        assert direction(reach, f"{s}Elbow", f"{s}Wrist") == [0, 0, 1]
        wing = posed(H36M_16, **{f"{side}_arm_abd": 45, f"{side}_elbow": 90})
        assert direction(wing, f"{s}Shoulder", f"{s}Elbow") == [outwards * 0.7071, -0.7071, 0]
        assert direction(wing, f"{s}Elbow", f"{s}Wrist") == [0, 0, 1]
        belly = posed(H36M_16, **{f"{side}_arm_turn": 80, f"{side}_elbow": 90})
        across = [-outwards * math.sin(math.radians(80)), 0, math.cos(math.radians(80))]
        assert direction(belly, f"{s}Elbow", f"{s}Wrist") == [round(value, 4) for value in across]
        raised = posed(H36M_16, **{f"{side}_shrug": 20})
        assert direction(raised, "Thorax", f"{s}Shoulder") == [outwards * 0.9397, 0.342, 0]
        assert direction(raised, f"{s}Shoulder", f"{s}Wrist") == [0, -2, 0]
    bow = posed(H36M_16, pelvis_pitch=30)
    assert direction(bow, "Hip", "Spine") == [0, 0.866, 0.5]
    assert direction(bow, "LHip", "LFoot") == [0, -2, 0]
    assert direction(posed(H36M_16, spine_pitch=60), "Spine", "Thorax") == [0, 0.5, 0.866]
    assert direction(posed(H36M_16, spine_roll=60), "Hip", "Spine") == [-0.5, 0.866, 0]
    assert direction(posed(H36M_16, head_pitch=30), "Thorax", "Head") == [0, 0.866, 0.5]
    assert direction(posed(H36M_16, pelvis_yaw=90), "Hip", "LHip") == [0, 0, -1]
    assert direction(posed(H36M_17, head_pitch=30), "Neck", "Head") == [0, 0.866, 0.5]


def test_both_layouts_show_the_same_people(everybody):
    other = world_poses(H36M_17, "all", 4, 64, CPU)
    shared = [H36M_17.index(name) for name in H36M_16.joints]
    torch.testing.assert_close(other.joints[:, shared], everybody.joints, rtol=0, atol=1e-5)
    neck = other.joints[:, H36M_17.index("Neck")]
    ends = joint(everybody, "Thorax"), joint(everybody, "Head")
    along = (neck - ends[0]).norm(dim=-1) + (ends[1] - neck).norm(dim=-1)
    torch.testing.assert_close(along, (ends[1] - ends[0]).norm(dim=-1), rtol=0, atol=1e-5)


def test_left_and_right_are_alike(everybody):
    # Half of the clips are mirrored: seen from the pelvis, the two hands come to the same places equally often.
    across = joint(everybody, "LHip") - joint(everybody, "RHip")
    across = across / across.norm(dim=-1, keepdim=True)
    left, right = (joint(everybody, f"{s}Wrist") - joint(everybody, "Hip") for s in "LR")
    assert float((left * across).sum(-1).mean()) == pytest.approx(-float((right * across).sum(-1).mean()), abs=0.03)
    assert float(left[:, 1].mean()) == pytest.approx(float(right[:, 1].mean()), abs=0.05)


def test_clips_differ_within_an_action(everybody):
    body = everybody.joints - everybody.joints[:, :1]
    for number in range(15):
        clips = body[everybody.labels["action"] == number].view(28, 64, 16, 3)
        assert float(clips[:, 32].std(dim=0).mean()) > 0.03
        assert float(clips.std(dim=1).mean()) > 0.01


def test_the_cameras_are_human36ms():
    camera = h36m_cameras()
    assert camera.size.tolist() == [[1000, 1002], [1000, 1000], [1000, 1000], [1000, 1002]]
    batch = Builtin(BuiltinSettings(), BuildContext()).sample(500, torch.Generator().manual_seed(0))
    focals = torch.tensor([1145.0494, 1149.6757, 1149.1407, 1145.5114])
    assert torch.isin(batch.camera.focal[:, 0], focals).all()
    assert batch.camera.distortion is not None
    assert float(batch.camera.distortion[:, 0].max()) < -0.19
    straight = attrs.evolve(batch.camera, distortion=None).project(batch.joints_3d)
    assert 0.1 < float((straight - batch.joints_2d).abs().max()) < 40


@pytest.mark.parametrize("cameras", ["h36m", "random"])
def test_people_are_in_the_picture(cameras):
    source = Builtin(BuiltinSettings(split="test", cameras=cameras), BuildContext())
    inside = torch.cat([((b.joints_2d > 0) & (b.joints_2d < 1000)).flatten(1).all(1) for b in source.batches(8192)])
    assert float(inside.float().mean()) > (0.97 if cameras == "h36m" else 0.6)


def test_settings():
    small = Builtin(BuiltinSettings(takes=1, frames=3, split="test"), BuildContext(skeleton=H36M_17))
    assert len(small) == 4 * 15 * 2 * 3
    assert small.skeleton == H36M_17
    batch = small.sample(9, torch.Generator().manual_seed(0))
    assert batch.joints_3d.shape == (9, 17, 3)
    assert batch.joints_2d.dtype == batch.joints_3d.dtype == torch.float32
