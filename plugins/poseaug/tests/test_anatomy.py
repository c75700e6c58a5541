from __future__ import annotations

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_poseaug.anatomy import feedback_groups, length_groups, part_bones, trunk_bones

# The children stand before their parents, the root is last, and there are fingers and a nose.
TURNED = Skeleton(
    name="turned",
    joints=("LFinger", "RFinger", "Nose", *reversed(H36M_16.joints)),
    parents=("LWrist", "RWrist", "Head", *reversed(H36M_16.parents)),
    pairs=(*H36M_16.pairs, ("LFinger", "RFinger")),
    parts={**H36M_16.parts, "left_arm": (*H36M_16.parts["left_arm"], "LFinger")},
)
STAR = Skeleton("star", ("tip", "arm", "base", "left", "right"), ("arm", "base", "", "base", "base"))


def names(skeleton: Skeleton, bones: tuple[int, ...]) -> set[str]:
    """Bones by the joint that they end in."""
    return {skeleton.joints[skeleton.bones[bone][1]] for bone in bones}


def test_on_h36m16_everything_is_what_the_released_code_has() -> None:
    assert trunk_bones(H36M_16) == (6, 7)
    shared = [(0, 3), (1, 4), (2, 5), (6,), (7,), (8,), (9, 12), (10, 13), (11, 14)]
    assert [tuple(b for b, g in enumerate(length_groups(H36M_16)) if g == n) for n in range(9)] == shared
    groups = feedback_groups(H36M_16)
    assert [group.joints for group in groups] == [(1, 4, 10, 13), (2, 5, 9, 11, 14), (3, 6, 12, 15)]
    weights = [1.0, 5, 2, 1, 5, 2, 1, 1, 1, 1, 5, 2, 1, 5, 2, 1]
    assert all(w == weights[j] for group in groups for j, w in zip(group.joints, group.weights, strict=True))
    assert part_bones(H36M_16) == {
        "left_arm": (7, 9, 10, 11),
        "right_arm": (7, 12, 13, 14),
        "left_leg": (0, 3, 4, 5, 6),
        "right_leg": (0, 1, 2, 3, 6),
        "torso": (0, 3, 6, 7, 8, 9, 12),
    }


@pytest.mark.parametrize("skeleton", [H36M_17, TURNED], ids=["h36m17", "turned"])
def test_other_bodies_mean_the_same_by_name(skeleton: Skeleton) -> None:
    assert names(skeleton, trunk_bones(skeleton)) == {"Spine", "Thorax"}
    assert skeleton.joints[skeleton.bones[trunk_bones(skeleton)[-1]][1]] == "Thorax"
    groups = length_groups(skeleton)
    bone = {skeleton.joints[child]: b for b, (_, child) in enumerate(skeleton.bones)}
    assert all(groups[bone[left]] == groups[bone[right]] for left, right in skeleton.pairs)
    assert max(groups) + 1 == skeleton.num_bones - len(skeleton.pairs)
    middle, far = (
        {skeleton.joints[j]: w for j, w in zip(g.joints, g.weights, strict=True)} for g in feedback_groups(skeleton)[1:]
    )
    extra = {"Neck"} if skeleton is H36M_17 else {"Nose"}
    assert middle == {
        **dict.fromkeys(("LKnee", "RKnee", "LElbow", "RElbow"), 2.0),
        **dict.fromkeys({"Head", *extra}, 1.0),
    }
    fingers = set() if skeleton is H36M_17 else {"LFinger", "RFinger"}
    assert set(far) == {"LFoot", "RFoot", "LWrist", "RWrist", *fingers}
    parts = {name: names(skeleton, bones) for name, bones in part_bones(skeleton).items()}
    assert parts["right_arm"] == {"Thorax", "RShoulder", "RElbow", "RWrist"}
    assert parts["left_leg"] == {"LHip", "LKnee", "LFoot", "RHip", "Spine"}
    assert parts["torso"] >= {"LHip", "RHip", "Spine", "Thorax", "Head", "LShoulder", "RShoulder"}


def test_a_skeleton_without_pairs_or_parts() -> None:
    assert trunk_bones(STAR) == ()
    assert length_groups(STAR) == (0, 1, 2, 3)
    assert [(g.joints, g.weights) for g in feedback_groups(STAR)] == [((1, 3, 4), (5.0, 5.0, 5.0)), ((0,), (2.0,))]
    with pytest.raises(PoseplugError, match="'kcs_part' judges the named parts.*'star' has none.*use 'kcs_full'"):
        part_bones(STAR)


def test_a_part_without_an_angle_is_left_out() -> None:
    chain = Skeleton("chain", ("a", "b", "c"), ("", "a", "b"), parts={"all": ("a", "b", "c"), "tip": ()})
    assert part_bones(chain) == {"all": (0, 1)}
