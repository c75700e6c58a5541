import pickle

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17, H36M_LAYOUTS, layout
from poseplug.core.geometry.skeleton import Skeleton


def chain(*parents: str, joints: tuple[str, ...] = ("a", "b", "c"), **fields: object) -> Skeleton:
    return Skeleton("test", joints, parents or ("", "a", "b"), **fields)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Skeleton, list[int], list[int]]:
    """A random tree in random joint order, with each joint's parent and depth as it was grown."""
    size = draw(st.integers(1, 12))
    grown = [-1, *(draw(st.integers(0, j - 1)) for j in range(1, size))]
    depth = [0] * size
    for j in range(1, size):
        depth[j] = depth[grown[j]] + 1
    order = draw(st.permutations(range(size)))
    names = tuple(f"j{j}" for j in order)
    parents = tuple(f"j{grown[j]}" if grown[j] >= 0 else "" for j in order)
    place = {j: i for i, j in enumerate(order)}
    return Skeleton("random", names, parents), [place.get(grown[j], -1) for j in order], [depth[j] for j in order]


@settings(max_examples=100, deadline=None)
@given(trees())
def test_any_tree_in_any_order(tree: tuple[Skeleton, list[int], list[int]]) -> None:
    skeleton, parent, depth = tree
    assert skeleton.root == depth.index(0)
    assert list(skeleton.parent_index) == parent
    assert skeleton.bones == tuple((p, j) for j, p in enumerate(parent) if p >= 0)
    for bone, (start, _) in enumerate(skeleton.bones):
        above = skeleton.bone_parent[bone]
        assert (start == skeleton.root) if above < 0 else (skeleton.bones[above][1] == start)
    by_depth = [[b for b, (_, end) in enumerate(skeleton.bones) if depth[end] == d] for d in range(1, max(depth) + 1)]
    assert [list(level) for level in skeleton.levels] == by_depth


def test_h36m_16_is_the_papers_layout() -> None:
    names = "Hip RHip RKnee RFoot LHip LKnee LFoot Spine Thorax Head LShoulder LElbow LWrist RShoulder RElbow RWrist"
    assert H36M_16.joints == tuple(names.split())
    assert H36M_16.parent_index == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14)
    assert H36M_16.num_bones == 15
    flipped = dict(zip(H36M_16.joints, (H36M_16.joints[j] for j in H36M_16.flip_index), strict=True))
    assert flipped == {n: {"L": "R", "R": "L"}[n[0]] + n[1:] if n[0] in "LR" else n for n in H36M_16.joints}


def test_bones_have_names_and_sides() -> None:
    sides = dict(zip(H36M_16.bone_names, H36M_16.bone_sides, strict=True))
    assert sides.keys() == {f"{H36M_16.joints[a]}-{H36M_16.joints[b]}" for a, b in H36M_16.bones}
    assert all(side == {"L": "left", "R": "right"}.get(name.partition("-")[2][0], "") for name, side in sides.items())


def test_h36m_17_is_h36m_16_with_a_neck() -> None:
    assert tuple(j for j in H36M_17.joints if j != "Neck") == H36M_16.joints
    assert H36M_17.parents[H36M_17.index("Head")] == "Neck"
    assert H36M_17.index("Neck") == 9
    assert "Neck" in H36M_17.parts["torso"]


@pytest.mark.parametrize("skeleton", H36M_LAYOUTS.values(), ids=H36M_LAYOUTS)
def test_layouts_hang_together(skeleton: Skeleton) -> None:
    assert sorted(j for part in skeleton.parts.values() for j in part) == sorted(skeleton.joints)
    assert [skeleton.flip_index[j] for j in skeleton.flip_index] == list(range(skeleton.num_joints))
    assert len(skeleton.rest_directions) == skeleton.num_bones
    assert all(sum(c * c for c in direction) == 1 for direction in skeleton.rest_directions)
    assert layout(skeleton.name) is skeleton


def test_the_rest_pose_stands_and_faces_the_camera() -> None:
    position = {"Hip": (0.0, 0.0, 0.0)}
    for level in H36M_16.levels:
        for bone in level:
            start, end = (H36M_16.joints[j] for j in H36M_16.bones[bone])
            direction = H36M_16.rest_directions[bone]
            position[end] = tuple(p + d for p, d in zip(position[start], direction, strict=True))
    assert position["Head"][1] < position["Hip"][1] < position["LFoot"][1]
    assert position["LShoulder"][0] > position["RShoulder"][0]
    assert position["LWrist"][1] > position["LShoulder"][1]


def test_unstated_rest_directions_point_down() -> None:
    assert chain(rest={"b": (1.0, 0.0, 0.0)}).rest_directions == ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@pytest.mark.parametrize(
    ("joints", "parents", "fields", "message"),
    [
        (("a", "a"), ("", "a"), {}, "not unique"),
        (("a", "b"), ("",), {}, "2 joints but 1 parents"),
        (("a", "b"), ("", ""), {}, r"expected one root .* found \['a', 'b'\]"),
        (("a", "b"), ("b", "a"), {}, r"expected one root .* found \[\]"),
        (("a", "b", "c"), ("", "c", "b"), {}, "form a cycle"),
        (("a", "b"), ("", "b"), {}, "form a cycle"),
        (("hip", "knee"), ("", "hpi"), {}, "no joint 'hpi'. Did you mean 'hip'?"),
        (("hip", "knee"), ("", "hip"), {"pairs": (("knee", "kne"),)}, "no joint 'kne'"),
        (("hip", "knee"), ("", "hip"), {"parts": {"leg": ("knee", "foot")}}, "no joint 'foot'"),
        (("hip", "knee"), ("", "hip"), {"rest": {"foot": (0.0, 1.0, 0.0)}}, "no joint 'foot'"),
        (("hip", "knee"), ("", "hip"), {"centre": "spine"}, "no joint 'spine'"),
    ],
)
def test_what_is_no_skeleton_is_refused(
    joints: tuple[str, ...], parents: tuple[str, ...], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(PoseplugError, match=message):
        Skeleton("test", joints, parents, **fields)


def test_a_single_joint() -> None:
    lone = Skeleton("lone", ("a",), ("",))
    assert (lone.root, lone.bones, lone.levels, lone.num_bones) == (0, (), (), 0)


@pytest.mark.parametrize("skeleton", [*H36M_LAYOUTS.values(), chain()], ids=lambda s: s.name)
def test_pickles_as_ray_and_multiprocessing_need(skeleton: Skeleton) -> None:
    copy = pickle.loads(pickle.dumps(skeleton))
    assert copy == skeleton
    assert hash(copy) == hash(skeleton)
    assert copy.name == skeleton.name
    assert copy.levels == skeleton.levels


def test_equality_is_of_content_not_of_name() -> None:
    assert attrs.evolve(H36M_16, name="other") == H36M_16
    assert chain() != chain("", "a", "a")
    assert chain() != chain(pairs=(("b", "c"),))
    assert chain() != chain(centre="b")
    assert chain() != "test"


def test_mappings_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        H36M_16.parts["torso"] = ()


def test_unknown_layout() -> None:
    with pytest.raises(PoseplugError, match="No skeleton is called 'h36m18'. Did you mean 'h36m1"):
        layout("h36m18")
