import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.joint_mapping import H36M_16_TO_17, H36M_17_TO_16, Remapping
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton


def test_17_to_16_drops_the_neck() -> None:
    joints = torch.randn(5, 17, 3)
    kept = [j for j, name in enumerate(H36M_17.joints) if name != "Neck"]
    assert torch.equal(H36M_17_TO_16(joints), joints[:, kept])
    assert H36M_17_TO_16.synthesised == ()


def test_16_to_17_puts_the_neck_half_way() -> None:
    joints = torch.randn(5, 16, 2)
    mapped = H36M_16_TO_17(joints)
    assert mapped.shape == (5, 17, 2)
    thorax, head = joints[:, H36M_16.index("Thorax")], joints[:, H36M_16.index("Head")]
    torch.testing.assert_close(mapped[:, H36M_17.index("Neck")], (thorax + head) / 2)
    assert H36M_16_TO_17.synthesised == ("Neck",)
    assert torch.equal(H36M_17_TO_16(mapped), joints)


def test_joints_are_matched_by_name_not_by_place() -> None:
    shuffled = Skeleton("shuffled", ("c", "a", "b"), ("b", "", "a"))
    chain = Skeleton("chain", ("a", "b", "c"), ("", "a", "b"))
    joints = torch.arange(9.0).reshape(1, 3, 3)
    assert torch.equal(Remapping.between(shuffled, chain)(joints), joints[:, [1, 2, 0]])


def test_nan_touches_only_what_is_made_from_it() -> None:
    joints = torch.zeros(1, 16, 3)
    joints[0, H36M_16.index("Head")] = float("nan")
    bad = H36M_16_TO_17(joints).isnan().any(-1)[0]
    assert {name for name, flag in zip(H36M_17.joints, bad, strict=True) if flag} == {"Neck", "Head"}


def test_gradients_reach_the_source() -> None:
    joints = torch.zeros(1, 16, 3, requires_grad=True)
    H36M_16_TO_17(joints).sum().backward()
    counts = joints.grad[0, :, 0]
    assert counts[H36M_16.index("Head")] == 1.5
    assert counts[H36M_16.index("LFoot")] == 1


def test_a_missing_joint_is_refused_with_both_lists() -> None:
    with pytest.raises(PoseplugError, match="'h36m16' cannot become 'h36m17': it lacks Neck") as caught:
        Remapping.between(H36M_16, H36M_17)
    for name in (*H36M_16.joints, *H36M_17.joints):
        assert name in str(caught.value)


def test_synthesising_what_is_there_is_refused() -> None:
    with pytest.raises(PoseplugError, match=r"only missing joints can be synthesised \(none\), not Head"):
        Remapping.between(H36M_17, H36M_16, {"Head": ("Thorax", "Spine")})


def test_a_midpoint_of_unknown_joints_is_refused() -> None:
    with pytest.raises(PoseplugError, match="no joint 'Hed'. Did you mean 'Head'?"):
        Remapping.between(H36M_16, H36M_17, {"Neck": ("Thorax", "Hed")})
