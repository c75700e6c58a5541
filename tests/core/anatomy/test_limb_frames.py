"""Limb bones in their own frames: exact round trips, the paper's frames, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from poseplug.core.anatomy.limb_frames import (
    from_spherical,
    limb_vectors,
    measure_limbs,
    place_limbs,
    poses_first,
    poses_last,
    rest_directions,
    to_spherical,
    torso_frames,
)
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17, LAYOUTS
from poseplug.core.geometry.rotations import rotvec_to_rotmat
from poseplug.core.geometry.skeleton import Skeleton

BODIES = ("h36m16", "h36m17", "3dhp28", "3dhp17", "smpl24", "coco17", "openpose25", "mpii16", "panoptic15")


def random_poses(skeleton: Skeleton, n: int = 200, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", BODIES)
def test_what_was_measured_is_placed_again(name):
    skeleton = LAYOUTS[name]
    limbs, joints = limbs_of(skeleton), random_poses(skeleton)
    coordinates = poses_last(joints)
    pose = measure_limbs(coordinates, limbs)
    torch.testing.assert_close(torch.linalg.vector_norm(pose.directions, dim=0), torch.ones_like(pose.lengths))
    vectors = limb_vectors(pose.frames, pose.directions, pose.lengths, limbs)
    again = place_limbs(coordinates, vectors, limbs)
    # The turn of a bone that is nearly opposite to rest magnifies rounding.
    torch.testing.assert_close(poses_first(again), joints, rtol=0, atol=1e-9)
    assert (again - coordinates).abs().median() < 1e-15


@pytest.mark.parametrize("name", BODIES)
def test_directions_do_not_know_where_the_person_stands_or_faces(name):
    skeleton = LAYOUTS[name]
    limbs, joints = limbs_of(skeleton), random_poses(skeleton, 50)
    turn = rotvec_to_rotmat(torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64))
    moved = joints @ turn.T * 1.7 + torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    before, after = (measure_limbs(poses_last(j), limbs) for j in (joints, moved))
    torch.testing.assert_close(before.directions, after.directions, rtol=0, atol=1e-7)
    torch.testing.assert_close(1.7 * before.lengths, after.lengths)


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17], ids=lambda s: s.name)
def test_a_mirror_image_has_the_other_sides_directions_with_the_first_sign_changed(skeleton):
    limbs, joints = limbs_of(skeleton), random_poses(skeleton, 50)
    mirrored = joints[:, list(skeleton.flip_index)] * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    one = measure_limbs(poses_last(joints), limbs).directions
    other = measure_limbs(poses_last(mirrored), limbs).directions[:, list(limbs.mirror)]
    torch.testing.assert_close(one, other * torch.tensor([-1.0, 1, 1], dtype=torch.float64)[:, None, None])


def test_torso_axes_are_right_down_and_forward():
    """A person who faces the camera: right is the image's left, forward is towards the camera."""
    joints = torch.zeros(1, 16, 3)
    at = H36M_16.index
    for joint, x, y in (("RHip", -1, 0), ("LHip", 1, 0), ("Thorax", 0, -4), ("Spine", 0, -2)):
        joints[0, at(joint), :2] = torch.tensor([x, y])
    joints[0, at("RShoulder")], joints[0, at("LShoulder")] = torch.tensor([-1.5, -4, 0]), torch.tensor([1.5, -4, 0])
    for frame in torso_frames(poses_last(joints), limbs_of(H36M_16)):
        torch.testing.assert_close(frame[..., 0].T, torch.tensor([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]]))


def test_frames_are_gram_schmidts_of_the_paper():
    """Algorithm 2, one pose at a time in numpy; the second-order frame is Rodrigues' turn from rest to the parent."""
    limbs, joints = limbs_of(H36M_16), random_poses(H36M_16, 5)
    pose = measure_limbs(poses_last(joints), limbs)
    for n, person in enumerate(joints.numpy()):
        at = {name: person[H36M_16.index(name)] for name in H36M_16.joints}
        down = at["Spine"] - at["Thorax"]
        for i, bone in enumerate(limbs.bones):
            sides = "Shoulder" if bone.girdle == "shoulders" else "Hip"
            right = at[f"R{sides}"] - at[f"L{sides}"]
            frame = gram_schmidt(right, down, np.cross(right, down))
            if bone.order == 2:
                parent = limbs.bones[bone.parent]
                along = person[parent.end] - person[parent.start]
                rest = frame @ rest_directions(limbs, joints)[:, i, 0].numpy()
                frame = rodrigues(rest, along / np.linalg.norm(along)) @ frame
            vector = person[bone.end] - person[bone.start]
            expected = frame.T @ vector / np.linalg.norm(vector)
            np.testing.assert_allclose(pose.directions[:, i, n].numpy(), expected, atol=1e-9)


def gram_schmidt(*columns):
    basis = []
    for column in columns:
        for other in basis:
            column = column - other * (other @ column)
        basis.append(column / np.linalg.norm(column))
    return np.stack(basis, 1)


def rodrigues(start, stop):
    axis = np.cross(start, stop)
    sin, cos = np.linalg.norm(axis), start @ stop
    k = axis / sin
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.eye(3) + sin * cross + (1 - cos) * cross @ cross


def test_a_straight_limb_points_in_the_direction_of_rest():
    limbs = limbs_of(H36M_16)
    pose = measure_limbs(poses_last(random_poses(H36M_16, 20)), limbs)
    straight = pose.directions.clone()
    lower = [i for i, bone in enumerate(limbs.bones) if bone.order == 2]
    straight[:, lower] = rest_directions(limbs, straight)[:, lower].expand(-1, -1, 20)
    vectors = limb_vectors(pose.frames, straight, torch.ones_like(pose.lengths), limbs)
    for i in lower:
        torch.testing.assert_close(vectors[:, i], vectors[:, limbs.bones[i].parent])


def test_gradients_flow_and_are_finite():
    joints = random_poses(H36M_16, 10).requires_grad_()
    pose = measure_limbs(poses_last(joints), limbs_of(H36M_16))
    (gradient,) = torch.autograd.grad(pose.directions.square().sum() + pose.directions[0].sum(), joints)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_spherical_coordinates():
    """The sheet's section 3: elevation from -90 to 90 degrees, not the polar angle."""
    vectors = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, -1, 0], [-1, 0, 0]], dtype=torch.float64).T
    azimuth, elevation = to_spherical(vectors)
    torch.testing.assert_close(elevation, torch.tensor([math.pi / 2, 0, 0, 0], dtype=torch.float64))
    torch.testing.assert_close(azimuth[1:], torch.tensor([0, -math.pi / 2, math.pi], dtype=torch.float64))
    torch.testing.assert_close(from_spherical(azimuth, elevation), vectors, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "heads"), [("h36m16", "Thorax-Head"), ("h36m17", "Thorax-Head"), ("3dhp28", "Neck-HeadTop")]
)
def test_limbs_of_bodies(name, heads):
    limbs = limbs_of(LAYOUTS[name])
    assert limbs.bones[0].name == heads
    assert {b.limb for b in limbs.bones} == {"head", "left_arm", "right_arm", "left_leg", "right_leg"}
    assert all(bone.parent < i for i, bone in enumerate(limbs.bones))


def test_what_a_joint_carries():
    limbs = limbs_of(H36M_17)

    def carried(joint):
        return {limbs.names[i] for i in limbs.below(H36M_17.index(joint))}

    assert carried("LElbow") == {"LElbow-LWrist"}
    assert carried("RShoulder") == {"RShoulder-RElbow", "RElbow-RWrist"}
    legs = {"LHip-LKnee", "LKnee-LFoot", "RHip-RKnee", "RKnee-RFoot"}
    arms = {"LShoulder-LElbow", "LElbow-LWrist", "RShoulder-RElbow", "RElbow-RWrist"}
    assert carried("Hip") == legs | arms | {"Thorax-Head"}
    assert carried("Thorax") == arms | {"Thorax-Head"}


def test_a_body_without_limbs_is_refused():
    with pytest.raises(PoseplugError, match="left_arm"):
        limbs_of(Skeleton("snake", ("a", "b", "c"), ("", "a", "b")))
