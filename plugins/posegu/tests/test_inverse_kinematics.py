from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug_posegu.forward_kinematics import Poser
from poseplug_posegu.inverse_kinematics import Posture, inverse_kinematics, pose, root_frames
from poseplug_posegu.joint_angles import READINGS, minimal_swing

MOCAP = Path(os.environ.get("POSEPLUG_MOCAP", Path(__file__).resolve().parents[3] / "../shared/data/bandai-namco"))
AXES = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.6, -0.8, 0.0), (0.48, 0.6, 0.64)]


@st.composite
def trees(draw: st.DrawFn) -> Skeleton:
    """Trees of any shape, with or without hips, rest directions on and off the axes."""
    size = draw(st.integers(2, 12))
    order = draw(st.permutations(range(size)))
    names = tuple(f"j{i}" for i in range(size))
    parents = [""] * size
    for place in range(1, size):
        parents[order[place]] = names[order[draw(st.integers(0, place - 1))]]
    rest = {name: draw(st.sampled_from(AXES)) for name in names}
    children = [name for name, parent in zip(names, parents, strict=True) if parent == names[order[0]]]
    pairs = ((children[0], children[1]),) if len(children) > 2 else ()
    return Skeleton("tree", names, tuple(parents), pairs=pairs, rest=rest)


@pytest.mark.parametrize("reading", READINGS)
@settings(max_examples=60, deadline=None)
@given(skeleton=trees(), seed=st.integers(0, 10_000))
def test_any_pose_of_any_tree_comes_back(reading: str, skeleton: Skeleton, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(4, skeleton.num_joints, 3, generator=generator, dtype=torch.float64)
    posture = inverse_kinematics(joints, skeleton, READINGS[reading])
    assert (pose(posture, skeleton, READINGS[reading]) - joints).abs().max() < 1e-6


@pytest.mark.parametrize("reading", READINGS)
def test_single_precision_poses_come_back(reading: str) -> None:
    joints = torch.randn(2000, 16, 3, generator=torch.Generator().manual_seed(1)) * 0.5
    back = pose(inverse_kinematics(joints, H36M_16, READINGS[reading]), H36M_16, READINGS[reading])
    error = (back - joints).norm(dim=-1)
    assert error.median() < 1e-6
    # A bone that points almost against its rest direction has an ill-conditioned frame; such poses are not human.
    assert error.quantile(0.999) < 1e-4


@pytest.mark.parametrize("reading", READINGS)
def test_awkward_bones_come_back(reading: str) -> None:
    """Bones along every axis, against the rest direction (180 degrees), and without length."""
    skeleton = Skeleton("chain", ("a", "b", "c", "d"), ("", "a", "b", "c"))
    steps = torch.tensor([[0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1], [0, 0, 0]]).double()
    first, second, third = torch.cartesian_prod(*[torch.arange(7)] * 3).unbind(-1)
    bones = torch.stack([steps[first], steps[second], steps[third]], dim=1)
    joints = torch.cat([torch.zeros(len(bones), 1, 3), bones.cumsum(1)], dim=1).double()
    posture = inverse_kinematics(joints, skeleton, READINGS[reading])
    assert posture.angles.isfinite().all()
    assert (pose(posture, skeleton, READINGS[reading]) - joints).abs().max() < 1e-6


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17], ids=lambda s: s.name)
def test_the_rest_pose_has_no_rotation(skeleton: Skeleton) -> None:
    identity = torch.eye(3).expand(1, 3, 3)
    zero = Posture(
        identity, torch.zeros(1, skeleton.num_bones, 3), torch.ones(1, skeleton.num_bones), torch.zeros(1, 3)
    )
    found = inverse_kinematics(pose(zero, skeleton, READINGS["swing"]), skeleton, READINGS["swing"])
    assert torch.allclose(found.frame, identity, atol=1e-6)
    assert found.angles.abs().max() < 1e-6


def test_cosine_angles_are_those_of_equation_6() -> None:
    skeleton = Skeleton("bone", ("a", "b"), ("", "a"))
    bone = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 2.0, -2.0]]])
    expected = [math.acos(1 / 3), math.acos(2 / 3), math.acos(-2 / 3)]
    found = inverse_kinematics(bone, skeleton, READINGS["cosine"])
    assert found.angles[0, 0].tolist() == pytest.approx(expected, abs=1e-6)
    assert found.lengths.item() == pytest.approx(3)


def test_swing_angles_are_rotations_about_x_then_y_then_z() -> None:
    angles = torch.tensor([[[0.3, -0.5, 0.7]]], dtype=torch.float64)

    def about(axis: int, angle: float) -> np.ndarray:
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
        return matrix

    expected = about(0, 0.3) @ about(1, -0.5) @ about(2, 0.7)
    found = READINGS["swing"].rotations(angles, torch.zeros(1, 1, 3))
    assert np.abs(found[0, 0].numpy() - expected).max() < 1e-12
    # And the angles are found again in the matrix.
    assert torch.allclose(READINGS["swing"].angles(angles, found), angles, atol=1e-12)


def test_minimal_swing_turns_no_further_than_needed() -> None:
    generator = torch.Generator().manual_seed(0)
    rest, target = torch.nn.functional.normalize(
        torch.randn(2, 500, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    swing = minimal_swing(rest, target)
    assert torch.allclose((swing @ rest[..., None])[..., 0], target, atol=1e-9)
    between = (rest * target).sum(-1).acos()
    assert torch.allclose(roma.rotmat_to_rotvec(swing).norm(dim=-1), between, atol=1e-6)


def test_root_frame_follows_hips_and_spine() -> None:
    joints = torch.zeros(1, 16, 3)
    joints[0, H36M_16.index("LHip")] = torch.tensor([0.0, 0.0, 0.1])
    joints[0, H36M_16.index("RHip")] = torch.tensor([0.0, 0.0, -0.1])
    joints[0, H36M_16.index("Spine")] = torch.tensor([0.0, -0.2, 0.05])  # leaning to the left: not square to the hips
    expected = torch.tensor([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert torch.allclose(root_frames(joints, H36M_16)[0], expected, atol=1e-6)


def test_root_frame_is_the_identity_without_hips_or_spine() -> None:
    chain = Skeleton("chain", ("a", "b", "c"), ("", "a", "b"))
    assert torch.equal(root_frames(torch.randn(2, 3, 3), chain), torch.eye(3).expand(2, 3, 3))
    assert torch.equal(root_frames(torch.zeros(2, 16, 3), H36M_16), torch.eye(3).expand(2, 3, 3))


def slow_pose(
    skeleton: Skeleton, reading: str, frame: np.ndarray, angles: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """One pose in plain Python and float64, from the equations; the root is at the origin."""

    def rodrigues(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        axis, cosine = np.cross(start, end), start @ end
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        return np.eye(3) + cross + cross @ cross / (1 + cosine)

    def local(bone: int, rest: np.ndarray) -> np.ndarray:
        if reading == "cosine":
            direction = np.cos(angles[bone])
            return rodrigues(rest, direction / np.linalg.norm(direction))
        (cx, cy, cz), (sx, sy, sz) = np.cos(angles[bone]), np.sin(angles[bone])
        about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        return about_x @ about_y @ about_z

    joints, frames = {skeleton.root: np.zeros(3)}, {skeleton.root: frame}
    for level in skeleton.levels:
        for bone in level:
            parent, child = skeleton.bones[bone]
            rest = np.array(skeleton.rest_directions[bone])
            frames[child] = frames[parent] @ local(bone, rest)
            joints[child] = joints[parent] + lengths[bone] * frames[child] @ rest
    return np.stack([joints[joint] for joint in range(skeleton.num_joints)])


@pytest.mark.parametrize("reading", READINGS)
@settings(max_examples=40, deadline=None)
@given(skeleton=trees(), seed=st.integers(0, 10_000))
def test_the_fast_path_agrees_with_the_equations(reading: str, skeleton: Skeleton, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, bones = 3, skeleton.num_bones
    frame = roma.random_rotmat(n, generator=generator)
    angles = torch.rand(n, bones, 3, generator=generator) * 2 + 0.3
    lengths = torch.rand(n, bones, generator=generator) + 0.1
    poser = Poser(skeleton, READINGS[reading], torch.device("cpu"))
    columns = [frame[..., k].T[:, None] for k in range(3)]
    fast = poser.pose(
        (columns[0], columns[1], columns[2]),
        angles[:, poser.order].permute(2, 1, 0).contiguous(),
        lengths[:, poser.order].T.contiguous(),
    )
    general = pose(Posture(frame, angles, lengths, torch.zeros(n, 3)), skeleton, READINGS[reading])
    for i in range(n):
        slow = slow_pose(skeleton, reading, *(x[i].double().numpy() for x in (frame, angles, lengths)))
        assert np.abs(fast[:, :, i].T.numpy() - slow).max() < 1e-4
        assert np.abs(general[i].numpy() - slow).max() < 1e-4


@pytest.mark.mocap
@pytest.mark.skipif(not MOCAP.exists(), reason="the Bandai-Namco motion capture is not beside the checkout")
@pytest.mark.parametrize("reading", READINGS)
def test_every_captured_pose_comes_back(reading: str) -> None:
    from poseplug_datasets.bvh import BVH

    source = BVH(BVH.Config(path=str(MOCAP / "lab"), split="all"), BuildContext())
    worst = 0.0
    for batch in source.batches(65536):
        joints = batch.root_relative
        posture = inverse_kinematics(joints, source.skeleton, READINGS[reading])
        back = pose(posture, source.skeleton, READINGS[reading])
        worst = max(worst, (back - joints).abs().max().item())
        assert torch.equal(posture.lengths, bone_lengths(joints.double(), source.skeleton).float())
    assert worst < 1e-5
