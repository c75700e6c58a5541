"""Looking at data sets: what is measured is right, what was planted is found, and nothing is where nothing is wrong."""

import re

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.api import inspect_data, plot_data
from poseplug.registry.datasets.measures import Measures
from poseplug.registry.datasets.opening import Opened
from poseplug_datasets.builtin import Builtin, BuiltinSettings


@pytest.fixture(scope="module")
def builtin():
    return Builtin(BuiltinSettings(split="all", takes=1, frames=16), BuildContext())


@pytest.fixture(scope="module")
def poses(builtin):
    return PoseBatch.join(list(builtin.batches(4096)))


def inspected(batch, names=None, **options):
    names = {"action": ("a",) * 15, "subject": ("s",) * 7} if names is None else names
    return inspect_data(PoseTable(batch, names), **options)


def seen(batch, joints, camera=None):
    """The same people with other joints, projected anew."""
    return batch.moved(joints, camera=camera)


@pytest.mark.parametrize(
    "source",
    [
        *("builtin:split=all,takes=1", "builtin:cameras=random,noise=3,skeleton=h36m17"),
        *("fk_generator", "builtin:cameras=random,elevation=[0.9,1.4],takes=1"),
    ],
)
def test_nothing_is_wrong_where_nothing_is_wrong(source):
    found = inspect_data(source, poses=20_000)
    assert found.problems == ()
    assert found.facts["problems"] == []


def every_second(n):
    return torch.arange(n) % 2 == 0


def exchanged(batch):
    """Left and right under each other's names, in 2D and in 3D."""
    order = list(batch.skeleton.flip_index)
    return attrs.evolve(batch, joints_2d=batch.joints_2d[:, order], joints_3d=batch.joints_3d[:, order])


def in_world(batch, change):
    return seen(batch, batch.camera.world_to_camera(change(batch.camera.camera_to_world(batch.joints_3d))))


def mirrored_axis(axis):
    return torch.tensor([-1.0 if i == axis else 1.0 for i in range(3)])


def about_root(batch, joints):
    return joints - joints[:, :1] + batch.root[:, None]


def with_missing(batch):
    joints = batch.joints_2d.clone()
    joints[::10, 5] = 0
    return attrs.evolve(batch, joints_2d=joints)


def with_nan(batch):
    joints = batch.joints_3d.clone()
    joints[::100, 3, 1] = torch.nan
    return attrs.evolve(batch, joints_3d=joints)


def stretched(batch):
    """The left forearm half as long again."""
    joints = batch.joints_3d.clone()
    elbow, wrist = (H36M_16.index(name) for name in ("LElbow", "LWrist"))
    joints[:, wrist] += 0.5 * (joints[:, wrist] - joints[:, elbow])
    return seen(batch, joints)


def jittered(batch):
    noise = torch.randn(batch.joints_3d.shape, generator=torch.Generator().manual_seed(0))
    return seen(batch, batch.joints_3d + 0.03 * noise)


PLANTED = {
    "in centimetres": (lambda b: seen(b, b.joints_3d * 100), "People are 168 m tall .* the unit is wrong.* 0.0098"),
    "in tens of metres": (lambda b: seen(b, b.joints_3d * 0.1), "People are 0.168 m tall"),
    "upside down": (lambda b: in_world(b, lambda w: w * torch.tensor([1.0, -1.0, -1.0])), "upside down"),
    "z up": (lambda b: in_world(b, lambda w: w[..., [0, 2, 1]] * mirrored_axis(2)), "people lie"),
    "left and right exchanged": (exchanged, "bent knees bend backwards: left and right are exchanged"),
    "mirrored": (lambda b: in_world(b, lambda w: w * mirrored_axis(0)), "bent knees bend backwards"),
    "2D exchanged alone": (
        lambda b: attrs.evolve(b, joints_2d=b.joints_2d[:, list(b.skeleton.flip_index)]),
        "pixels from the projection .* left and right are exchanged between the two",
    ),
    "another focal length": (
        lambda b: attrs.evolve(b, camera=attrs.evolve(b.camera, focal=b.camera.focal * 1.5)),
        "cameras, distortion, or the order of the joints do not belong to them",
    ),
    "another image": (
        lambda b: attrs.evolve(b, camera=attrs.evolve(b.camera, size=b.camera.size * 0.5)),
        "of joints are outside of the image",
    ),
    "noisy joints": (jittered, "Bones do not keep their length within a subject"),
    "an uneven bone": (stretched, "the bone to LWrist is 40% longer than that to RWrist"),
    "missing joints": (with_missing, "2D joints lie at exactly"),
    "no numbers": (with_nan, "joints have a coordinate in joints_3d that is no number"),
    "frames twice": (lambda b: PoseBatch.join([b, b.select(slice(0, len(b) // 2))]), "the same, to the last bit"),
    "behind the camera": (
        lambda b: attrs.evolve(b, joints_3d=b.joints_3d - torch.tensor([0, 0, 5.0])),
        "behind their camera",
    ),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_planted_defects_are_found(poses, defect):
    plant, sentence = PLANTED[defect]
    found = inspected(plant(poses))
    assert any(re.search(sentence, problem) for problem in found.problems), found.problems
    assert list(found.lines())


def test_each_defect_alone_is_found_alone(poses):
    """Sentences that follow from no other are told of their own defect only."""
    for defect in ("upside down", "noisy joints", "an uneven bone", "missing joints", "no numbers", "frames twice"):
        expected = {"missing joints": 2}.get(defect, 1)
        assert len(inspected(PLANTED[defect][0](poses)).problems) <= expected, defect


@pytest.mark.parametrize("defect", ["in centimetres", "mirrored", "upside down", "an uneven bone", "noisy joints"])
def test_a_single_subject_who_is_wrong_is_found(poses, builtin, defect):
    """One of seven spoils no median."""
    plant, sentence = PLANTED[defect]
    names = dict(builtin.label_names)
    number = names["subject"].index("S7")
    theirs = poses.labels["subject"] == number
    batch = PoseBatch.join([poses.select(~theirs), plant(poses.select(theirs))])
    said = [problem for problem in inspected(batch, names).problems if problem.startswith("Subject S7: ")]
    assert any(re.search(sentence, problem) for problem in said), inspected(batch, names).problems


def test_2d_alone_is_looked_at(poses):
    flat = attrs.evolve(poses, joints_3d=None)
    found = inspected(flat)
    assert found.problems == ()
    assert "body" not in found.facts
    down = attrs.evolve(flat, joints_2d=flat.camera.size[:, None] - flat.joints_2d)
    assert any("heads are below feet" in problem for problem in inspected(down).problems)
    assert list(found.lines())


def test_numbers_are_right(poses, builtin):
    facts = inspect_data(builtin).facts
    assert facts["poses"] == facts["looked_at"] == len(builtin)
    counts = np.bincount(poses.labels["subject"].numpy())
    assert list(facts["labels"]["subject"].values()) == counts.tolist()
    assert set(facts["labels"]["action"]) == set(builtin.label_names["action"])
    bones = torch.stack([poses.joints_3d[:, b] - poses.joints_3d[:, a] for a, b in H36M_16.bones], 1).norm(dim=-1)
    shin = facts["bones"]["RKnee-RFoot"]
    number = H36M_16.bones.index((H36M_16.index("RKnee"), H36M_16.index("RFoot")))
    assert shin["mean_m"] == pytest.approx(float(bones[:, number].mean()), rel=1e-5)
    assert shin["variation"] == pytest.approx(0, abs=1e-4)
    ends = ["Hip LHip", "LHip LKnee", "LKnee LFoot", "Hip Spine", "Spine Thorax", "Thorax Head"]
    way = [H36M_16.bones.index(tuple(map(H36M_16.index, both.split()))) for both in ends]
    assert facts["body"]["height_m"]["median"] == pytest.approx(float(bones[:, way].sum(1).median()), rel=1e-3)
    assert facts["body"]["leg_m"]["median"] == pytest.approx(float(bones[:, way[1:3]].sum(1).median()), rel=1e-3)
    assert facts["cameras"]["distinct"] == facts["cameras"]["intrinsics"] == 4
    assert facts["projection_px"]["max"] < 1e-3
    y = poses.camera.position[:, 1].unique()
    assert facts["cameras"]["position_m"]["y"]["low"] == pytest.approx(float(y.min()), rel=1e-5)


def test_2d_is_compared_with_the_projection(poses):
    moved = attrs.evolve(poses, joints_2d=poses.joints_2d + torch.tensor([3.0, 4.0]))
    figures = inspected(moved).facts["projection_px"]
    assert [figures[name] for name in ("median", "p99", "max")] == pytest.approx([5.0] * 3, rel=1e-3)


def test_a_large_set_is_drawn_from(poses):
    facts = inspected(poses, poses=500).facts
    assert (facts["poses"], facts["looked_at"], facts["drawn"]) == (len(poses), 500, True)
    assert facts["repeated"] is None


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_any_layout_is_looked_at(name):
    """Skeletons of which some have neither heads nor feet by name."""
    skeleton = LAYOUTS[name]
    joints = torch.randn(20, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    camera = Camera.shared(20, (900.0, 900.0), (500.0, 500.0), (1000.0, 1000.0))
    batch = PoseBatch.seen(skeleton, joints + torch.tensor([0.0, 0.0, 4.0]), camera)
    found = inspected(batch, {})
    assert found.facts["skeleton"] == name
    assert list(found.lines())


def test_a_single_pose_is_looked_at(poses):
    assert inspected(poses.select(slice(0, 1))).facts["looked_at"] == 1


@pytest.mark.parametrize("out", ["poses.png", "poses.html"])
def test_poses_without_numbers_are_told_and_the_others_drawn(poses, tmp_path, out):
    few = poses.select(slice(0, 50))
    plot_data(PoseTable(with_nan(few), {}), tmp_path / out)
    assert (tmp_path / out).stat().st_size > 10_000
    none = attrs.evolve(few, joints_3d=torch.full_like(few.joints_3d, torch.nan))
    found = inspected(none)
    assert "800 of 800 joints have a coordinate in joints_3d that is no number" in found.problems[0]
    assert list(found.lines())
    with pytest.raises(PoseplugError, match="nothing can be drawn"):
        plot_data(PoseTable(none, {}), tmp_path / out)


def test_knees_know_left_from_right_in_a_pose_by_hand():
    """Somebody who faces +z, y up, left at +x, and bends one knee forwards."""
    joints = torch.zeros(1, 16, 3)
    for name, place in {
        "LHip": (0.1, 0.9, 0), "RHip": (-0.1, 0.9, 0), "LKnee": (0.1, 0.5, 0.3), "RKnee": (-0.1, 0.45, 0),
        "LFoot": (0.1, 0.1, 0), "RFoot": (-0.1, 0, 0), "Hip": (0, 0.9, 0), "Thorax": (0, 1.4, 0), "Head": (0, 1.6, 0),
    }.items():  # fmt: skip
        joints[0, H36M_16.index(name)] = torch.tensor(place)
    camera = Camera.shared(1, (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
    measures = Measures.of(Opened("", PoseTable(PoseBatch(H36M_16, joints[..., :2], camera, joints))), 10)
    left, right = measures.knees
    assert left == pytest.approx(0.3 / (2 * 0.5), abs=0.01)
    assert right == pytest.approx(0, abs=1e-6)


def test_one_topic_may_be_said_alone(tmp_path):
    plot_data("builtin:takes=1,frames=2", tmp_path / "alone.png", "bones")
    plot_data("builtin:takes=1,frames=2", tmp_path / "listed.png", ["bones"])
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "listed.png").read_bytes()


def test_limbs_that_no_body_can_hold_are_counted(poses):
    """Elbows of a quarter of the people are bent as far the other way."""
    joints = poses.joints_3d.clone()
    shoulder, elbow, wrist = (H36M_16.index(f"R{name}") for name in ("Shoulder", "Elbow", "Wrist"))
    rows = torch.arange(len(joints)) % 4 == 0
    along = joints[rows, elbow] - joints[rows, shoulder]
    along = along / along.norm(dim=-1, keepdim=True)
    forearm = joints[rows, wrist] - joints[rows, elbow]
    joints[rows, wrist] = joints[rows, elbow] + 2 * (forearm * along).sum(-1, keepdim=True) * along - forearm
    found = inspected(seen(poses, joints))
    shares = found.facts["implausible"]
    assert 0.1 < shares["any"] == shares["RElbow-RWrist"] <= 0.25
    assert shares["LElbow-LWrist"] == shares["RKnee-RFoot"] == 0
    (problem,) = found.problems
    assert "most often RElbow-RWrist (" in problem
    assert ("limbs", f"{shares['any']:.1%} of poses hold one as no body can") in [
        (name, said.partition(",")[0]) for name, said in found.lines()
    ]
