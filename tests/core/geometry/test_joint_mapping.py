import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.joint_mapping import JointMapping
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton

H36M_17_TO_16 = JointMapping.by_name(H36M_17, H36M_16)
H36M_16_TO_17 = JointMapping.by_name(H36M_16, H36M_17, {"Neck": ("Thorax", "Head")})


def test_17_to_16_drops_the_neck() -> None:
    joints = torch.randn(5, 17, 3)
    kept = [j for j, name in enumerate(H36M_17.joints) if name != "Neck"]
    assert torch.equal(H36M_17_TO_16(joints), joints[:, kept])
    assert H36M_17_TO_16.copied == {joint: joint for joint in H36M_16.joints}
    assert H36M_17_TO_16.synthesised == {}


def test_16_to_17_puts_the_neck_half_way() -> None:
    joints = torch.randn(5, 16, 2)
    mapped = H36M_16_TO_17(joints)
    assert mapped.shape == (5, 17, 2)
    thorax, head = joints[:, H36M_16.index("Thorax")], joints[:, H36M_16.index("Head")]
    assert torch.equal(mapped[:, H36M_17.index("Neck")], (thorax + head) / 2)
    assert H36M_16_TO_17.synthesised == {"Neck": ("Thorax", "Head")}
    assert "Neck" not in H36M_16_TO_17.copied
    assert torch.equal(H36M_17_TO_16(mapped), joints)


def test_joints_are_matched_by_name_not_by_place() -> None:
    shuffled = Skeleton("shuffled", ("c", "a", "b"), ("b", "", "a"))
    chain = Skeleton("chain", ("a", "b", "c"), ("", "a", "b"))
    joints = torch.arange(9.0).reshape(1, 3, 3)
    assert torch.equal(JointMapping.by_name(shuffled, chain)(joints), joints[:, [1, 2, 0]])


def test_joints_may_have_other_names_and_come_from_several() -> None:
    mapping = JointMapping(("nose", "l", "r"), ("Head", "Left", "Hip"), {"Left": ("l",), "Head": ("nose", "l", "r")})
    assert (mapping.copied, mapping.synthesised) == ({"Left": "l"}, {"Head": ("nose", "l", "r")})
    assert mapping.missing == ("Hip",)
    whole = JointMapping(mapping.source, mapping.target, {**mapping.origins, "Hip": ("l", "r")})
    joints = torch.tensor([[[6.0], [2.0], [4.0]]], requires_grad=True)
    assert whole(joints).flatten().tolist() == [4.0, 2.0, 3.0]
    whole(joints).sum().backward()
    torch.testing.assert_close(joints.grad, torch.tensor([[[1 / 3], [1 / 3 + 1.5], [1 / 3 + 0.5]]]))


def test_nan_touches_only_what_is_made_from_it() -> None:
    joints = torch.zeros(1, 16, 3)
    joints[0, H36M_16.index("Head")] = float("nan")
    bad = H36M_16_TO_17(joints).isnan().any(-1)[0]
    assert {name for name, flag in zip(H36M_17.joints, bad, strict=True) if flag} == {"Neck", "Head"}


def test_a_missing_joint_is_refused_with_both_lists() -> None:
    mapping = JointMapping.by_name(H36M_16, H36M_17)
    assert mapping.missing == ("Neck",)
    with pytest.raises(PoseplugError, match="nothing to make Neck from") as caught:
        mapping(torch.zeros(1, 16, 3))
    assert ", ".join(H36M_16.joints) in str(caught.value)
    assert ", ".join(H36M_17.joints) in str(caught.value)


@pytest.mark.parametrize(
    ("origins", "message"),
    [
        ({"Neck": ("Thorax", "Hed")}, "no joint 'Hed' among Hip, .*Did you mean 'Head'?"),
        ({"Nek": ("Thorax", "Head")}, "no joint 'Nek' among Hip, .*Did you mean 'Neck'?"),
    ],
)
def test_unknown_joints_are_refused(origins: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(PoseplugError, match=message):
        JointMapping.by_name(H36M_16, H36M_17, origins)
