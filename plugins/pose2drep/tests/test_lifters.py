"""The five lifters: sizes, who sees what, any skeleton."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug_pose2drep.lifters import (
    Full2D,
    IndependentLegTorso,
    IndependentLimbs,
    Representation,
    RepresentationConfig,
    SplitCombineLegTorso,
    SplitCombineLimbs,
)
from poseplug_pose2drep.network import Layer
from poseplug_pose2drep.parts import five_limbs, legs_and_torso, shares

ALL = (Full2D, SplitCombineLegTorso, IndependentLegTorso, SplitCombineLimbs, IndependentLimbs)
DIVIDED = ALL[1:]
INDEPENDENT = (IndependentLegTorso, IndependentLimbs)
CPU = torch.device("cpu")


def build(
    cls: type[Representation], skeleton: Skeleton = H36M_17, device: str = "cpu", **settings: Any
) -> Representation:
    context = BuildContext(skeleton=skeleton, device=torch.device(device))
    return cls(RepresentationConfig(**{"channels": 32, **settings}), context)


def count(cls: type[Representation], **settings: Any) -> int:
    """Number of parameters, counted without making any."""
    return sum(p.numel() for p in build(cls, device="meta", **settings).parameters())


def spread(lifter: Representation) -> Representation:
    """The lifter with shifts and biases that are not those of the start, in evaluation."""
    for parameter in lifter.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.3, 0.3)
    return lifter.eval()


# Counted by hand from the released code's description, for 16 joints beside the root and hidden layers of 1024.
SIZES = {Full2D: 12_672_016, SplitCombineLegTorso: 13_724_688, SplitCombineLimbs: 13_733_904}
SIZES |= {IndependentLegTorso: 12_675_088, IndependentLimbs: 10_581_008}


@pytest.mark.parametrize("norm", ["affine", "batch"])
@pytest.mark.parametrize("cls", ALL)
def test_parameter_counts_are_those_of_the_released_code(cls: type[Representation], norm: str) -> None:
    assert count(cls, channels=1024, norm=norm) == SIZES[cls]


def test_parameter_counts_of_independent_parts() -> None:
    groups = build(IndependentLegTorso, device="meta", channels=1024).parameter_groups()
    assert {k: sum(p.numel() for p in v) for k, v in groups.items()} == {"legs": 6_331_398, "torso": 6_343_690}


@pytest.mark.parametrize("norm", ["affine", "none"])
@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(("channels", "tolerance"), [(1024, 0.001), (96, 0.01)])
def test_matched_capacity(cls: type[Representation], channels: int, tolerance: float, norm: str) -> None:
    full = count(Full2D, channels=channels, norm=norm)
    lifter = build(cls, device="meta", channels=channels, norm=norm, capacity="matched")
    size = sum(p.numel() for p in lifter.parameters())
    assert size == pytest.approx(full, rel=tolerance)
    network: Any = next(iter(lifter.nets.values()))
    width = network.leave.in_features
    for other in (width - 1, width + 1):
        assert abs(count(cls, channels=other, norm=norm) - full) >= abs(size - full)


def test_choosing_a_width_draws_no_random_number() -> None:
    states = []
    for capacity in ("code", "matched"):
        torch.manual_seed(1)
        build(Full2D, capacity=capacity)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_parts_of_the_papers_skeleton() -> None:
    def names(parts: Any) -> dict[str, set[str]]:
        return {name: {H36M_17.joints[j] for j in joints} for name, joints in parts.items()}

    legs = {side + joint for side in "LR" for joint in ("Hip", "Knee", "Foot")}
    halves = names(legs_and_torso(H36M_17, "x"))
    assert halves == {"legs": legs, "torso": set(H36M_17.joints) - legs - {"Hip"}}
    limbs = five_limbs(H36M_17, "x")
    assert list(limbs) == ["right_leg", "left_leg", "torso", "left_arm", "right_arm"]
    assert names(limbs)["torso"] == {"Spine", "Thorax", "Neck", "Head"}
    assert [len(joints) for joints in limbs.values()] == [3, 3, 4, 3, 3]


@pytest.mark.parametrize("total", [983, 984, 1024, 32, 17])
def test_shares_of_features(total: int) -> None:
    for parts in (legs_and_torso(H36M_17, "x"), five_limbs(H36M_16, "x")):
        joints = sum(map(len, parts.values()))
        given = shares(parts, total)
        assert sum(given.values()) == total
        assert all(abs(given[name] - total * len(part) / joints) < 1 for name, part in parts.items())
    assert shares(legs_and_torso(H36M_17, "x"), 1024) == {"legs": 384, "torso": 640}
    assert list(shares(five_limbs(H36M_17, "x"), 1024).values()) == [192, 192, 256, 192, 192]


def sensitivities(lifter: Representation, joints_2d: Tensor) -> Tensor:
    """How much each depth depends on each input joint, [J, J]: output by input."""
    jacobian: Any = torch.autograd.functional.jacobian(lambda x: lifter(x)[..., 2].sum(0), joints_2d)
    return jacobian.abs().sum((1, 3))


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("which", ["h36m17", "shuffled"])
def test_who_sees_whom(cls: type[Representation], which: str, shuffled_skeleton: Skeleton) -> None:
    skeleton = H36M_17 if which == "h36m17" else shuffled_skeleton
    lifter = spread(build(cls, skeleton))
    joints_2d = torch.randn(8, skeleton.num_joints, 2)
    joints_2d[:, skeleton.root] = 0
    found = sensitivities(lifter, joints_2d)
    wanted = torch.zeros_like(found, dtype=torch.bool)
    parts = (
        lifter.group_joints() if cls in INDEPENDENT else {"all": [j for j in range(len(found)) if j != skeleton.root]}
    )
    for joints in parts.values():
        for joint in joints:
            wanted[joint, list(joints)] = True
    # Exactly zero across parts, and to and from the root.
    assert torch.equal(found > 0, wanted)
    lifted = lifter(joints_2d)
    assert torch.equal(lifted[..., :2], joints_2d)
    assert not lifted[:, skeleton.root].any()
    assert lifted[..., 2].abs().amax() <= 1


@pytest.mark.parametrize("cls", INDEPENDENT)
def test_groups_are_the_parts(cls: type[Representation]) -> None:
    lifter = build(cls)
    groups, joints = lifter.parameter_groups(), lifter.group_joints()
    assert list(groups) == list(joints)
    lifted = lifter(torch.randn(4, 17, 2))
    for name, members in joints.items():
        lifter.zero_grad()
        lifted[:, list(members), 2].sum().backward(retain_graph=True)
        reached = {id(p) for p in lifter.parameters() if p.grad is not None and p.grad.any()}
        assert reached
        assert reached <= {id(p) for p in groups[name]}


def test_a_lifter_of_one_part_has_no_groups() -> None:
    for cls in (Full2D, SplitCombineLegTorso, SplitCombineLimbs):
        assert not build(cls).group_joints()
        assert list(build(cls).parameter_groups()) == ["all"]


def test_affine_is_batch_normalisation_without_statistics() -> None:
    layer, normed = Layer(5, 7, "affine", 0.0, CPU), Layer(5, 7, "batch", 0.0, CPU).eval()
    assert layer.scale is not None
    assert layer.shift is not None
    assert normed.norm is not None
    for tensor in (layer.scale, layer.shift, layer.linear.bias):
        torch.nn.init.normal_(tensor)
    normed.linear.load_state_dict(layer.linear.state_dict())
    normed.norm.eps = 0.0
    normed.norm.load_state_dict(
        {**normed.norm.state_dict(), "weight": layer.scale.detach(), "bias": layer.shift.detach()}
    )
    x = torch.randn(200, 5)
    torch.testing.assert_close(layer(x), normed(x))
    assert (layer(x) == 0).any()


def test_dropout_is_for_training_only() -> None:
    lifter = build(Full2D, dropout=0.5)
    joints_2d = torch.randn(4, 17, 2)
    assert not torch.equal(lifter(joints_2d), lifter(joints_2d))
    lifter.eval()
    assert torch.equal(lifter(joints_2d), lifter(joints_2d))


def test_skeletons_without_the_parts_are_refused() -> None:
    bare = Skeleton("bare", ("a", "b", "c"), ("", "a", "b"))
    for cls in DIVIDED:
        with pytest.raises(PoseplugError, match=f"'{cls.name}'.*skeleton 'bare' has no part 'right_leg'.*'full2d'"):
            build(cls, bare)
    assert build(Full2D, bare)(torch.randn(2, 3, 2)).shape == (2, 3, 3)
    legs = Skeleton("legs", ("a", "b", "c"), ("", "a", "a"), parts={"left_leg": ("b",), "right_leg": ("c",)})
    with pytest.raises(PoseplugError, match="'independent_limbs'.*skeleton 'legs' has no part 'left_arm'"):
        build(IndependentLimbs, legs)
    with pytest.raises(PoseplugError, match="sees 'torso' apart, and skeleton 'legs' has no joint there"):
        build(IndependentLegTorso, legs)
    shared = attrs.evolve(legs, name="shared", parts={"left_leg": ("b",), "right_leg": ("b", "c")})
    with pytest.raises(PoseplugError, match="joint 'b' of skeleton 'shared' is in two of the parts legs"):
        build(IndependentLegTorso, shared)
