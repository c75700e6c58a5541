"""Named layouts, what they are made of each other, and where joints that nobody found are put."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import H36M_16, H36M_17, LAYOUTS, layout
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.geometry.own_layout import find_layout

# Orders as the formats' pages number them: a joint, and where it stands.
PLACES = {
    "coco17": {"Nose": 0, "LEye": 1, "REar": 4, "LShoulder": 5, "RWrist": 10, "LHip": 11, "RAnkle": 16},
    "openpose25": {
        "Neck": 1,
        "RWrist": 4,
        "LShoulder": 5,
        "MidHip": 8,
        "RHip": 9,
        "LAnkle": 14,
        "LEar": 18,
        "RHeel": 24,
    },
    "openpose18": {"Neck": 1, "RHip": 8, "LHip": 11, "LAnkle": 13, "REye": 14, "LEar": 17},
    "openpose15": {"HeadTop": 0, "Neck": 1, "RShoulder": 2, "LWrist": 7, "RHip": 8, "LAnkle": 13, "Chest": 14},
    "halpe26": {"HeadTop": 17, "Neck": 18, "MidHip": 19, "LBigToe": 20, "RHeel": 25},
    "mediapipe33": {"Nose": 0, "LEye": 2, "LEar": 7, "LShoulder": 11, "RWrist": 16, "LHip": 23, "RAnkle": 28},
    "mpii16": {
        "RAnkle": 0,
        "LAnkle": 5,
        "Pelvis": 6,
        "Thorax": 7,
        "UpperNeck": 8,
        "HeadTop": 9,
        "RWrist": 10,
        "LWrist": 15,
    },
    "3dhp17": {"HeadTop": 0, "Neck": 1, "RShoulder": 2, "LHip": 11, "Pelvis": 14, "Spine": 15, "Head": 16},
    "3dhp28": {
        "Spine": 3,
        "Pelvis": 4,
        "HeadTop": 7,
        "LShoulder": 9,
        "RShoulder": 14,
        "LHip": 18,
        "RHip": 23,
        "RToe": 27,
    },
    "smpl24": {"Pelvis": 0, "LHip": 1, "RHip": 2, "LAnkle": 7, "Neck": 12, "Head": 15, "LShoulder": 16, "RHand": 23},
    "panoptic15": {"Neck": 0, "Nose": 1, "MidHip": 2, "LShoulder": 3, "LHip": 6, "RShoulder": 9, "RAnkle": 14},
}
# Where the joints of Human3.6M-17 stand in 3DHP (mmpose's converter) and, where they are copied, elsewhere.
H36M_17_FROM = {
    "3dhp17": [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4],
    "3dhp28": [4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16],
}


def test_every_named_layout_stands_in_its_own_order() -> None:
    assert LAYOUTS.keys() == {*PLACES, "h36m16", "h36m17"}
    for name, places in PLACES.items():
        skeleton = layout(name)
        digits = "".join(letter for letter in name.removeprefix("3d") if letter.isdigit())
        assert skeleton.num_joints == int(digits), name
        assert {joint: skeleton.index(joint) for joint in places} == places, name


@pytest.mark.parametrize("name", H36M_17_FROM)
def test_3dhp_becomes_human36m_as_published(name: str) -> None:
    joints = torch.randn(2, layout(name).num_joints, 3)
    assert torch.equal(map_layout(layout(name), H36M_17)(joints), joints[:, H36M_17_FROM[name]])


@pytest.mark.parametrize("target", ["h36m16", "h36m17"])
@pytest.mark.parametrize("source", LAYOUTS)
def test_every_layout_becomes_human36m(source: str, target: str) -> None:
    """Limbs are copied from their own side, and nothing is made outside what is there, but for the top of the head."""
    mapping = map_layout(layout(source), layout(target))
    assert not mapping.missing
    for joint, made in mapping.copied.items():
        assert made[:1] == joint[:1] or joint[:1] not in "LR", (joint, made)
    mapping(torch.randn(1, layout(source).num_joints, 2))


@pytest.mark.parametrize("source", [H36M_16, H36M_17])
def test_the_base_of_the_neck_is_human36ms_thorax(source) -> None:
    """Human3.6M's own Neck lies between chin and nose, and is nobody else's."""
    for name in ("openpose25", "3dhp17", "smpl24"):
        assert map_layout(source, layout(name)).copied["Neck"] == "Thorax"
    assert map_layout(source, H36M_17).origins["Neck"][0].keys() in ({"Neck"}, {"Thorax", "Head"})


def test_the_head_goes_on_beyond_the_ears() -> None:
    mapping = map_layout(layout("coco17"), H36M_16)
    joints = torch.zeros(1, 17, 2)
    for joint, height in {"LEar": 1.0, "REar": 1.0, "LShoulder": 0.0, "RShoulder": 0.0}.items():
        joints[0, layout("coco17").index(joint), 1] = height
    torch.testing.assert_close(mapping(joints)[0, H36M_16.index("Head"), 1], torch.tensor(1.5))


def test_what_was_not_found_is_made_otherwise_or_not_found_either() -> None:
    coco = layout("coco17")
    mapping = map_layout(coco, H36M_16)
    joints, confidence = torch.randn(3, 17, 2), torch.full((3, 17), 0.9)
    confidence[1, coco.index("REar")] = 0
    confidence[2, coco.index("LShoulder")] = 0
    confidence[:, coco.index("LHip")] = 0.5
    made, sure = mapping.found(joints, confidence)
    head, thorax, hip = (H36M_16.index(joint) for joint in ("Head", "Thorax", "Hip"))
    torch.testing.assert_close(made[0], mapping(joints)[0])
    left, shoulders = joints[1, coco.index("LEar")], joints[1, [5, 6]].mean(0)
    torch.testing.assert_close(made[1, head], 1.5 * left - 0.5 * shoulders)
    assert sure[:2, head].tolist() == [pytest.approx(0.9)] * 2
    assert sure[2, [head, thorax]].tolist() == [0, 0]
    assert made[2, thorax].tolist() == [0, 0]
    assert sure[:, hip].tolist() == [0.5] * 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=16, max_size=16))
def test_missing_joints_lie_on_the_nearest_found(found: list[bool]) -> None:
    joints = torch.randn(1, 16, 2)
    filled = put_missing(joints, torch.tensor([found]), H36M_16)[0]
    if not any(found):
        assert filled.abs().max() == 0
        return
    for joint, there in enumerate(found):
        steps = _steps_from(joint)
        nearest = min(steps[k] for k in range(16) if found[k])
        taken = [k for k in range(16) if torch.equal(filled[joint], joints[0, k])]
        assert len(taken) == 1
        assert found[taken[0]]
        assert steps[taken[0]] == nearest
        assert not there or taken == [joint]


def _steps_from(joint: int) -> list[int]:
    """Breadth first over the bones."""
    steps = {joint: 0}
    frontier = [joint]
    while frontier:
        at = frontier.pop(0)
        for a, b in [*H36M_16.bones, *((b, a) for a, b in H36M_16.bones)]:
            if a == at and b not in steps:
                steps[b] = steps[at] + 1
                frontier.append(b)
    return [steps[k] for k in range(16)]


def test_a_layout_of_the_users_own(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'joints = ["hip", "l", "r", "skull"]\nparents = ["", "hip", "hip", "hip"]\npairs = [["l", "r"]]\n'
        '[made]\nHip = "hip"\nSpine = ["hip", "skull"]\nHead = { skull = 1.5, hip = -0.5 }\n'
    )
    own = find_layout(str(file))
    mapping = map_layout(own.skeleton, H36M_16, own.made)
    assert own.skeleton.flip_index == (0, 2, 1, 3)
    assert mapping.copied == {"Hip": "hip"}
    assert mapping.origins["Head"] == ({"skull": 1.5, "hip": -0.5},)
    with pytest.raises(PoseplugError, match="nothing to make RHip, .* wanted are .*those at hand are hip, l, r, skull"):
        mapping(torch.zeros(1, 4, 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("joints = [", "not valid TOML"),
        ("joints = []", "joints must be a list of names"),
        ("parents = ['']", "joints must be a list of names"),
        ("joints = ['a', 'b']\nparents = ['']", "2 joints but 1 parents"),
        ("joints = ['a']\npair = []", "Did you mean 'pairs'"),
        ("joints = ['a']\npairs = [['a']]", "pairs must be"),
        ("joints = ['a']\n[made]\nHip = 3", "lines in \\[made\\]"),
    ],
)
def test_a_bad_layout_is_refused(tmp_path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(PoseplugError, match=said):
        find_layout(str(tmp_path / "mine.toml"))


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(PoseplugError, match="Did you mean 'coco17'"):
        find_layout("coco18")
    with pytest.raises(PoseplugError, match="Cannot read the skeleton"):
        find_layout("none/such.toml")


def test_shares_add_up_to_one() -> None:
    with pytest.raises(PoseplugError, match="Head' is made of LEar 0.5; the shares must add up to 1"):
        map_layout(layout("coco17"), H36M_16, {"Head": {"LEar": 0.5}})
