from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors, forward_kinematics, joints_from_bones
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton


@st.composite
def trees(draw: st.DrawFn) -> Skeleton:
    """Trees of any shape, root anywhere, parents before or after their children."""
    size = draw(st.integers(2, 12))
    order = draw(st.permutations(range(size)))
    parents = [""] * size
    for place in range(1, size):
        parents[order[place]] = f"j{order[draw(st.integers(0, place - 1))]}"
    return Skeleton("tree", tuple(f"j{i}" for i in range(size)), tuple(parents))


def rotations(generator: torch.Generator, *shape: int) -> torch.Tensor:
    q, r = torch.linalg.qr(torch.randn(*shape, 3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
    return (q * torch.linalg.det(q)[..., None, None]).float()


def slow_forward_kinematics(
    skeleton: Skeleton, turn: np.ndarray, lengths: np.ndarray, root: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """One pose at a time, one bone at a time, by recursion up to the root, in float64."""
    rest = np.array(skeleton.rest_directions)

    def pose(joint: int) -> tuple[np.ndarray, np.ndarray]:
        if skeleton.parent_index[joint] < 0:
            return root, frame
        bone = [child for _, child in skeleton.bones].index(joint)
        position, above = pose(skeleton.parent_index[joint])
        own = above @ turn[bone]
        return position + lengths[bone] * own @ rest[bone], own

    return np.stack([pose(joint)[0] for joint in range(skeleton.num_joints)])


def test_bones_run_from_parent_to_child() -> None:
    skeleton = Skeleton("v", ("tip", "root", "left"), ("root", "", "root"))
    joints = torch.tensor([[[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [11.0, 20.0, 30.0]]])
    assert bone_vectors(joints, skeleton).tolist() == [[[-9.0, -18.0, -27.0], [1.0, 0.0, 0.0]]]
    assert bone_lengths(joints, skeleton)[0, 1] == 1.0
    assert bone_lengths(joints, skeleton)[0, 0].item() == pytest.approx(9 * 14**0.5)


@settings(max_examples=40, deadline=None)
@given(trees(), st.integers(0, 5), st.integers(0, 10_000))
def test_joints_and_bones_undo_each_other_on_any_tree(skeleton: Skeleton, n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(n, skeleton.num_joints, 3, generator=generator)
    bones = bone_vectors(joints, skeleton)
    assert bones.shape == (n, skeleton.num_bones, 3)
    for bone, (parent, child) in enumerate(skeleton.bones):
        assert torch.equal(bones[:, bone], joints[:, child] - joints[:, parent])
    assert torch.allclose(joints_from_bones(bones, joints[:, skeleton.root], skeleton), joints, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(trees(), st.integers(0, 10_000))
def test_forward_kinematics_agrees_with_recursion(skeleton: Skeleton, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    turns, frame = rotations(generator, 3, skeleton.num_bones), rotations(generator, 3)
    lengths = torch.rand(3, skeleton.num_bones, generator=generator)
    root = torch.randn(3, 3, generator=generator)
    fast = forward_kinematics(turns, lengths, skeleton, root_position=root, root_rotation=frame)
    slow = [
        slow_forward_kinematics(skeleton, *(x[i].double().numpy() for x in (turns, lengths, root, frame)))
        for i in range(3)
    ]
    assert np.abs(fast.numpy() - np.stack(slow)).max() < 1e-5
    assert torch.allclose(bone_lengths(fast, skeleton), lengths, atol=1e-5)


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17], ids=lambda s: s.name)
def test_no_rotation_gives_the_rest_pose(skeleton: Skeleton) -> None:
    turns = torch.eye(3).expand(1, skeleton.num_bones, 3, 3)
    lengths = torch.linspace(0.1, 0.5, skeleton.num_bones)
    joints = forward_kinematics(turns, lengths, skeleton, root_position=torch.tensor([[0.5, -1.0, 4.0]]))
    expected = torch.tensor(skeleton.rest_directions) * lengths[:, None]
    assert torch.allclose(bone_vectors(joints, skeleton)[0], expected, atol=1e-6)
    assert joints[0, skeleton.root].tolist() == [0.5, -1.0, 4.0]
    assert joints[0, skeleton.index("Head"), 1] < joints[0, skeleton.root, 1] < joints[0, skeleton.index("LFoot"), 1]


def test_rest_directions_can_be_given() -> None:
    skeleton = Skeleton("pair", ("a", "b"), ("", "a"))
    turn = torch.tensor([[[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]])  # a quarter turn about z
    rest = torch.tensor([[1.0, 0.0, 0.0]])
    joints = forward_kinematics(turn, torch.tensor([2.0]), skeleton, root_position=torch.zeros(1, 3), rest=rest)
    assert joints[0, 1].tolist() == [0.0, 2.0, 0.0]


def test_gradients_are_those_of_the_linear_maps() -> None:
    joints = torch.randn(2, 16, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: bone_vectors(x, H36M_16), joints)
    bones = torch.randn(2, 15, 3, dtype=torch.float64, requires_grad=True)
    root = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b, r: joints_from_bones(b, r, H36M_16), (bones, root))


def test_forward_kinematics_has_gradients() -> None:
    skeleton = Skeleton("y", ("a", "b", "c", "d"), ("", "a", "b", "b"))
    turns = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.rand(3, dtype=torch.float64, requires_grad=True)
    frame = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    root = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def pose(*inputs: torch.Tensor) -> torch.Tensor:
        return forward_kinematics(inputs[0], inputs[1], skeleton, root_position=inputs[2], root_rotation=inputs[3])

    assert torch.autograd.gradcheck(pose, (turns, lengths, root, frame))


def test_zero_length_has_zero_gradient() -> None:
    joints = torch.zeros(1, 16, 3, requires_grad=True)
    bone_lengths(joints, H36M_16).sum().backward()
    assert joints.grad is not None
    assert joints.grad.abs().max() == 0


def test_autocast_and_inference_mode_leave_poses_exact() -> None:
    skeleton = Skeleton("fresh", ("a", "b", "c"), ("", "a", "b"))  # its tables are first made in inference mode
    joints = torch.randn(4, 3, 3)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        bones = bone_vectors(joints, skeleton)
        back = joints_from_bones(bones, joints[:, 0], skeleton)
        turned = forward_kinematics(
            torch.eye(3).expand(4, 2, 3, 3), torch.ones(2), skeleton, root_position=joints[:, 0]
        )
    assert back.dtype == turned.dtype == torch.float32
    assert torch.allclose(back, joints, atol=1e-6)
    assert torch.allclose(turned[:, 2, 1], joints[:, 0, 1] + 2, atol=1e-6)
    joints.requires_grad_()
    bone_vectors(joints, skeleton).sum().backward()
    assert joints.grad is not None


def test_one_missing_joint_spoils_only_its_own_chain() -> None:
    joints = torch.randn(1, 16, 3)
    joints[0, H36M_16.index("LWrist")] = float("nan")
    bones = bone_vectors(joints, H36M_16)
    assert bones.isnan().any(-1).sum() == 1
    assert joints_from_bones(bones, joints[:, 0], H36M_16).isnan().any(-1).sum() == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_gpu_agrees_with_cpu_even_with_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)
    joints = torch.randn(100, 16, 3)
    bones = bone_vectors(joints.cuda(), H36M_16)
    assert torch.equal(bones.cpu(), bone_vectors(joints, H36M_16))
    assert torch.allclose(joints_from_bones(bones, joints[:, 0].cuda(), H36M_16).cpu(), joints, atol=1e-5)
