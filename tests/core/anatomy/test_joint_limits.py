"""Limits of joints: what is inside of them, how far outside is, files, and every skeleton that has limbs."""

from __future__ import annotations

import math

import pytest
import torch

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import limb_vectors, measure_limbs, place_limbs, poses_first, poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.anatomy.sphere_grid import SphereGrid
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.rotations import rotvec_to_rotmat
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.tensor_file import save_tensors

LIMBS = limbs_of(H36M_16)


def directions(n: int, seed: int = 0, bones: int = len(LIMBS.bones)) -> torch.Tensor:
    drawn = torch.randn(3, bones, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn / drawn.norm(dim=0)


def poses(held: torch.Tensor) -> torch.Tensor:
    """Return H36M-16 poses [N, J, 3] of upright torsos with limbs held as ``held`` [3, B, N]."""
    joints = torch.zeros(held.shape[2], 16, 3, dtype=held.dtype)
    places = {
        "RHip": (-1, 0, 0),
        "LHip": (1, 0, 0),
        "Spine": (0, -2, 0),
        "Thorax": (0, -4, 0),
        "RShoulder": (-1.5, -4, 0),
        "LShoulder": (1.5, -4, 0),
    }
    for joint, place in places.items():
        joints[:, H36M_16.index(joint)] = torch.tensor(place, dtype=held.dtype)
    coordinates = poses_last(joints)
    frames = measure_limbs(coordinates, LIMBS).frames
    vectors = limb_vectors(frames, held, torch.ones_like(held[0]), LIMBS)
    return poses_first(place_limbs(coordinates, vectors, LIMBS))


def looked_up(limits: JointLimits, held: torch.Tensor) -> torch.Tensor:
    """The same as ``valid``, by searching for the nearest of all middles of cells."""
    kinds = ("head", *("upper_arm",) * 2, *("thigh",) * 2, *("forearm",) * 2, *("shin",) * 2)
    found = torch.zeros(held.shape[1:], dtype=torch.bool)
    for b, (kind, bone) in enumerate(zip(kinds, LIMBS.bones, strict=True)):
        mirror = torch.tensor([-1.0 if bone.side == "left" else 1.0, 1, 1], dtype=held.dtype)[:, None]
        table = limits.tables[kind]
        row = SphereGrid(math.isqrt(len(table))).cells(held[:, bone.parent] * mirror) if bone.parent >= 0 else 0
        found[b] = table[row, SphereGrid(math.isqrt(table.shape[1])).cells(held[:, b] * mirror)]
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_valid_looks_each_bone_up(dtype):
    held, limits = directions(20000), JointLimits.default()
    found = limits.valid(held.to(dtype), LIMBS)
    expected = looked_up(limits, held)
    assert (found != expected).sum() <= (10 if dtype == torch.float32 else 0)  # of 180000, at borders
    assert 0.1 < float(found.float().mean()) < 0.9


def test_accepts_is_valid_of_what_was_measured_wherever_the_person_is():
    held = directions(500)
    joints, limits = poses(held), JointLimits.default()
    valid = limits.valid(held, LIMBS).T
    turn = rotvec_to_rotmat(torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64))
    for moved in (joints, joints @ turn.T * 0.3 + 2):
        assert (limits.accepts(moved, H36M_16) == valid).float().mean() > 0.999


def test_a_mirror_image_is_as_good():
    joints, limits = poses(directions(500)), JointLimits.default()
    mirrored = joints[:, list(H36M_16.flip_index)] * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    again = limits.accepts(mirrored, H36M_16)[:, list(LIMBS.mirror)]
    assert (limits.accepts(joints, H36M_16) == again).float().mean() > 0.998


def test_violation_is_zero_inside_and_positive_outside():
    joints, limits = poses(directions(2000)), JointLimits.default()
    violation, accepted = limits.violation(joints, H36M_16), limits.accepts(joints, H36M_16)
    assert torch.equal(violation == 0, accepted)
    assert violation.max() < 2 * math.pi


def test_violation_is_the_angle_to_the_nearest_allowed_cell():
    limits, held = JointLimits.default(), directions(300)
    violation = limits.violation(poses(held), H36M_16).T
    for b, kind in ((0, "head"), (2, "upper_arm"), (4, "thigh")):  # those of the right side
        table = limits.tables[kind]
        centres = SphereGrid(math.isqrt(table.shape[1])).centres[:, table[0]]
        angle = (centres.T @ held[:, b]).amax(0).clamp(-1, 1).acos()
        outside = violation[b] > 0
        # The nearest one to the middle of its cell may be another than that to the direction.
        assert (violation[b] - angle)[outside].min() > -1e-4
        assert (violation[b] - angle)[outside].max() < math.radians(3)


def test_gradient_descent_leads_back_inside():
    limits, joints = JointLimits.default(), poses(directions(80)).requires_grad_()
    outside = ~limits.accepts(joints, H36M_16).all(1)
    assert outside.sum() > 60
    optimiser = torch.optim.Adam([joints], lr=0.03)
    for _ in range(200):
        optimiser.zero_grad()
        limits.violation(joints, H36M_16).square().sum().backward()
        assert joints.grad.isfinite().all()
        optimiser.step()
    assert limits.accepts(joints, H36M_16).all(1).float().mean() > 0.97


def test_bones_without_length_or_number_are_refused_and_toes_are_not():
    limits, held = JointLimits.default(), directions(4)
    held[:, 0, 0], held[:, 1, 1] = math.nan, 0.0
    found = limits.valid(held, LIMBS)
    assert not found[0, 0]
    assert not found[1, 1]
    limbs = limbs_of(LAYOUTS["openpose25"])
    assert limbs.bones[-1].order == 3
    toes = torch.tensor([bone.order > 2 for bone in limbs.bones])
    assert limits.valid(torch.full((3, len(limbs.bones), 2), math.nan), limbs)[toes].all()


def test_gradients_are_finite_where_bones_have_no_length():
    joints = poses(directions(3)).detach()
    joints[0, H36M_16.index("RWrist")] = joints[0, H36M_16.index("RElbow")]
    joints.requires_grad_()
    violation = JointLimits.default().violation(joints, H36M_16)
    assert violation[0, LIMBS.names.index("RElbow-RWrist")] > 0
    (gradient,) = torch.autograd.grad(violation.sum(), joints)
    assert gradient.abs().max() < 100


def test_a_body_of_upper_bones_alone():
    names = ("Hip", "Thorax", "LShoulder", "LElbow", "RShoulder", "RElbow")
    parents = ("", "Hip", "Thorax", "LShoulder", "Thorax", "RShoulder")
    stumps = Skeleton("stumps", names, parents, pairs=(("LShoulder", "RShoulder"), ("LElbow", "RElbow")))
    joints = torch.randn(20, 6, 3, generator=torch.Generator().manual_seed(0))
    accepted = JointLimits.default().accepts(joints, stumps)
    assert accepted.shape == (20, 2)
    assert torch.equal(JointLimits.default().violation(joints, stumps) == 0, accepted)


@pytest.mark.parametrize("name", ["h36m17", "3dhp28", "smpl24", "coco17", "openpose25", "mpii16", "mediapipe33"])
def test_any_body(name):
    skeleton = LAYOUTS[name]
    joints = torch.randn(50, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(0))
    limits, bones = JointLimits.default(), len(limbs_of(skeleton).bones)
    assert limits.accepts(joints, skeleton).shape == (50, bones)
    assert torch.equal(limits.violation(joints, skeleton) == 0, limits.accepts(joints, skeleton))


def test_a_file_holds_all_of_it(tmp_path):
    limits = JointLimits.default()
    limits.save(tmp_path / "limits.safetensors")
    again = JointLimits.load(tmp_path / "limits.safetensors")
    assert again.facts == limits.facts
    assert again.bones == limits.bones
    for name, table in limits.tables.items():
        assert torch.equal(again.tables[name], table)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(PoseplugError, match="no file"):
        JointLimits.load(tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    save_tensors(other, {"x": torch.zeros(2)}, {})
    with pytest.raises(PoseplugError, match="holds no joint limits"):
        JointLimits.load(other)
    shapes = {"content": "joint limits", "facts": {}}
    for damage in ({"head": [1, 4096]}, {"head": [1, 9]}, {"tail": [1, 16]}, {"head": [16, 16]}, {}, {"head": 3}):
        tensors = {"head": torch.zeros(12, dtype=torch.uint8)}
        save_tensors(other, tensors, {**shapes, "shapes": damage})
        with pytest.raises(PoseplugError, match="is damaged"):
            JointLimits.load(other)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu():
    limits, held = JointLimits.default(), directions(5000).float()
    there = limits.to("cuda")
    assert (there.valid(held.cuda(), LIMBS).cpu() == limits.valid(held, LIMBS)).float().mean() > 0.9999
    joints = poses(held)
    torch.testing.assert_close(
        there.violation(joints.cuda(), H36M_16).cpu(), limits.violation(joints, H36M_16), atol=1e-3, rtol=0
    )
