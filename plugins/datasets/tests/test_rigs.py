import json

import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug_datasets.mocap.bvh_clips import read_clip
from poseplug_datasets.mocap.rigs import apply_names, detect, read_names


def sided(hips, legs, arms, spine, neck, head, left="Left", right="Right"):
    joints = dict(zip(("Hip", "Knee", "Foot"), legs, strict=True)) | dict(
        zip(("Shoulder", "Elbow", "Wrist"), arms, strict=True)
    )
    names = {"Hip": hips, "Spine": spine, "Thorax": neck, "Head": head}
    for side, word in (("L", left), ("R", right)):
        names |= {side + joint: name.format(word) for joint, name in joints.items()}
    return names


MOTIONBUILDER = sided(
    "Hips", ("{}UpLeg", "{}Leg", "{}Foot"), ("{}Arm", "{}ForeArm", "{}Hand"), "Spine1", "Neck", "Head"
)
RIGS = {
    "motionbuilder": MOTIONBUILDER,
    "mixamo": {joint: "mixamorig:" + name for joint, name in MOTIONBUILDER.items()},
    "mixamo numbered": {joint: "mixamorig7:" + name for joint, name in MOTIONBUILDER.items()},
    "character": {joint: "Character1_" + name for joint, name in MOTIONBUILDER.items()},
    "one spine": MOTIONBUILDER | {"Spine": "Spine"},
    "xsens": sided(
        "Hips", ("{}Hip", "{}Knee", "{}Ankle"), ("{}Shoulder", "{}Elbow", "{}Wrist"), "Chest3", "Neck", "Head"
    ),
    "biovision": sided(
        "Hips", ("{}Hip", "{}Knee", "{}Ankle"), ("{}Shoulder", "{}Elbow", "{}Wrist"), "Chest", "Neck", "Head"
    ),
    "poser": sided(
        "hip", ("{}Thigh", "{}Shin", "{}Foot"), ("{}Shldr", "{}ForeArm", "{}Hand"), "chest", "neck", "head", "l", "r"
    ),
    "biped": {
        joint: f"Bip01 {name}"
        for joint, name in sided(
            *("Pelvis", ("{} Thigh", "{} Calf", "{} Foot"), ("{} UpperArm", "{} Forearm", "{} Hand")),
            *("Spine1", "Neck", "Head", "L", "R"),
        ).items()
    },
    "smpl": sided(
        *("Pelvis", ("{}_Hip", "{}_Knee", "{}_Ankle"), ("{}_Shoulder", "{}_Elbow", "{}_Wrist")),
        *("Spine2", "Neck", "Head", "L", "R"),
    ),
    "smplx": sided(
        *("pelvis", ("{}_hip", "{}_knee", "{}_ankle"), ("{}_shoulder", "{}_elbow", "{}_wrist")),
        *("spine2", "neck", "head", "left", "right"),
    ),
    "unreal": sided(
        *("pelvis", ("thigh_{}", "calf_{}", "foot_{}"), ("upperarm_{}", "lowerarm_{}", "hand_{}")),
        *("spine_02", "neck_01", "head", "l", "r"),
    ),
    "poseplug": {joint: joint for joint in H36M_16.joints},
}


@pytest.mark.parametrize("rig", RIGS)
def test_built_in_rigs(rig, tmp_path, person, body):
    path = tmp_path / "clip.bvh"
    path.write_text(person(RIGS[rig]))
    joints, names = read_clip(path)
    assert names == H36M_16.joints
    torch.testing.assert_close(joints[0], torch.tensor([body(name) for name in names]))


def test_bandai_with_the_joints_between(tmp_path, person, body):
    path = tmp_path / "clip.bvh"
    path.write_text(person())
    joints, names = read_clip(path)
    torch.testing.assert_close(joints[0], torch.tensor([body(name) for name in names]))


def test_a_missing_neck_is_half_way_to_the_head(tmp_path, person, body):
    path = tmp_path / "clip.bvh"
    path.write_text(person())
    joints, names = read_clip(path, H36M_17)
    middle = (torch.tensor(body("Thorax")) + torch.tensor(body("Head"))) / 2
    torch.testing.assert_close(joints[0, names.index("Neck")], middle)
    path.write_text(person(MOTIONBUILDER | {"Neck": "Neck1"}))
    joints, names = read_clip(path, H36M_17)
    torch.testing.assert_close(joints[0], torch.tensor([body(name) for name in names]))


def test_the_joint_nearest_the_middle_of_the_back_is_preferred():
    names = [*MOTIONBUILDER.values(), "Spine", "Spine2"]
    assert detect(names, H36M_16, "x").copied["Spine"] == "Spine1"


def test_no_rig_fits():
    names = [name for name in MOTIONBUILDER.values() if name != "RightHand"]
    with pytest.raises(PoseplugError) as error:
        detect(names, H36M_16, "'odd.bvh'")
    message = str(error.value)
    assert message.startswith("'odd.bvh': ")
    assert "nearest is 'motionbuilder', which lacks RightHand for RWrist" in message
    assert "names=FILE.toml" in message


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_map_of_ones_own(suffix, tmp_path, person, body):
    mine = {joint: f"bone {number}" for number, joint in enumerate(H36M_16.joints)}
    clip, names = tmp_path / "clip.bvh", tmp_path / f"map.{suffix}"
    clip.write_text(person(mine))
    chosen = mine | {"Head": mine["Head"] + "/End"}
    toml = "\n".join(f'{joint} = "{name}"' for joint, name in chosen.items())
    names.write_text(toml if suffix == "toml" else json.dumps(chosen))
    joints, _ = read_clip(clip, names=names)
    torch.testing.assert_close(joints[0], torch.tensor([body(name) for name in H36M_16.joints]))
    assert read_clip(clip, H36M_17, names=names)[0].shape[1] == 17


GOOD = "\n".join(f'{joint} = "{joint}"' for joint in H36M_16.joints)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hip = ", "is not valid TOML or JSON"),
        (GOOD.replace("LKnee =", "LeftKnee ="), "names 'LeftKnee', which 'h36m16' has not. Did you mean 'LKnee'"),
        (GOOD.replace('LKnee = "LKnee"\n', ""), "leaves out LKnee"),
        (GOOD.replace('"LKnee"', "3"), "must hold lines such as"),
    ],
)
def test_bad_maps(tmp_path, text, reason):
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(PoseplugError) as error:
        read_names(path, H36M_16)
    assert reason in str(error.value)
    assert "map.toml" in str(error.value)


def test_a_map_that_cannot_be_read(tmp_path):
    with pytest.raises(PoseplugError, match="Cannot read the joint map"):
        read_names(tmp_path / "none.toml", H36M_16)


def test_a_map_to_a_joint_the_file_lacks():
    chosen = {joint: joint for joint in H36M_16.joints} | {"Head": "Skul"}
    with pytest.raises(PoseplugError, match=r"'x\.bvh' has no joint 'Skul', which .* for Head\. Did you mean 'Skull'"):
        apply_names(chosen, [*H36M_16.joints, "Skull"], H36M_16, "'x.bvh'")
