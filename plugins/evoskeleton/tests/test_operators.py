"""Crossover, mutation, selection, placement and bodies, each by itself."""

from __future__ import annotations

import math

import pytest
import torch
from evolving import Cone, body, people, random_genes
from hypothesis import given, settings
from hypothesis import strategies as st

from poseplug.core.anatomy.limb_frames import poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.rotations import rotvec_to_rotmat
from poseplug_evoskeleton.evolution.body_sizes import BodySizes, mutate_lengths
from poseplug_evoskeleton.evolution.crossover import LENGTHS, Genes, crossover, draw_subtrees, subtree_table, subtrees
from poseplug_evoskeleton.evolution.mutation import draw_bones, mutate_local, rotate_globally, turn_about_axes
from poseplug_evoskeleton.evolution.placement import FLOOR_HEIGHT, FLOOR_STD, Ground, draw_heights, place_on_floor
from poseplug_evoskeleton.evolution.population import genes_of
from poseplug_evoskeleton.evolution.selection import active_selection, natural_selection

LIMBS = limbs_of(H36M_16)
CPU = torch.device("cpu")


def named(bones):
    return {LIMBS.names[i] for i in bones}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_released_codes_ten_subtrees():
    legs = {"RHip-RKnee", "RKnee-RFoot", "LHip-LKnee", "LKnee-LFoot"}
    arms = {"RShoulder-RElbow", "RElbow-RWrist", "LShoulder-LElbow", "LElbow-LWrist"}
    found = [named(bones) for bones in subtrees(LIMBS, "limbs")]
    assert len(found) == 10
    assert legs in found
    assert arms in found
    for side in "LR":
        for names in (
            {f"{side}Hip-{side}Knee", f"{side}Knee-{side}Foot"},
            {f"{side}Knee-{side}Foot"},
            {f"{side}Shoulder-{side}Elbow", f"{side}Elbow-{side}Wrist"},
            {f"{side}Elbow-{side}Wrist"},
        ):
            assert found.count(names) == 1


def test_the_papers_subtrees_hang_from_any_joint():
    found = [named(bones) for bones in subtrees(LIMBS, "any")]
    assert named(range(9)) in found
    assert named(LIMBS.below(H36M_16.index("Thorax"))) in found
    assert any("Thorax-Head" in names for names in found)
    # Hip, three of each leg but the foot, Spine, Thorax, and two of each arm.
    assert len(found) == 1 + 4 + 2 + 4


@pytest.mark.parametrize("name", ["h36m16", "h36m17", "smpl24", "coco17"])
def test_every_layout_with_limbs_has_something_to_exchange(name):
    limbs = limbs_of(LAYOUTS[name])
    for which in ("limbs", "any"):
        table = subtree_table(limbs, which, CPU)
        assert table.any(0).all()
        if which == "any":
            assert table.any(1).all()
    heads = [i for i, bone in enumerate(limbs.bones) if bone.limb == "head"]
    assert not subtree_table(limbs, "limbs", CPU)[heads].any()


@pytest.mark.parametrize("lengths", LENGTHS)
def test_children_of_equal_parents_are_their_parents(lengths):
    joints = people(300).poses.absolute.double()
    own = genes_of(poses_last(joints), LIMBS)
    exchanged = draw_subtrees(subtree_table(LIMBS, "any", CPU), 300, generator())
    child = crossover(own, own, exchanged, lengths)
    assert torch.equal(child.table, own.table)
    torch.testing.assert_close(body(poses_last(joints), child), poses_last(joints), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_only_what_is_exchanged_comes_from_the_other_parent(lengths):
    first, second = random_genes(500, 1), random_genes(500, 2)
    exchanged = draw_subtrees(subtree_table(LIMBS, "limbs", CPU), 500, generator())
    child = crossover(first, second, exchanged, lengths)
    for n in range(0, 500, 7):
        for b in range(len(LIMBS.bones)):
            swapped = bool(exchanged[b, n])
            donor = second if swapped else first
            assert torch.equal(child.directions[:, b, n], donor.directions[:, b, n])
            whose = {"other": second, "own": first, "exchanged": donor}[lengths]
            assert child.lengths[b, n] == whose.lengths[b, n]


def test_joints_outside_the_subtree_stay_when_lengths_do():
    torsos = poses_last(people(200).poses.absolute.double())
    own = genes_of(torsos, LIMBS)
    exchanged = draw_subtrees(subtree_table(LIMBS, "limbs", CPU), 200, generator())
    child = body(torsos, crossover(own, random_genes(200), exchanged, "exchanged"))
    moved = (child - torsos).norm(dim=0) > 1e-9
    carried = torch.zeros_like(moved)
    for i, bone in enumerate(LIMBS.bones):
        carried[bone.end] = exchanged[i]
    assert torch.equal(moved, carried)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30), st.integers(1, 40), st.sampled_from(LENGTHS), st.sampled_from(["limbs", "any"]))
def test_siblings_share_out_what_their_parents_had(seed, n, lengths, which):
    first, second = random_genes(n, seed), random_genes(n, seed + 1)
    exchanged = draw_subtrees(subtree_table(LIMBS, which, CPU), n, generator(seed))
    son, daughter = crossover(first, second, exchanged, lengths), crossover(second, first, exchanged, lengths)
    for here, there, one, other in zip(son.table, daughter.table, first.table, second.table, strict=True):
        assert torch.equal(torch.stack([here, there]).sort(0).values, torch.stack([one, other]).sort(0).values)


def test_mutation_turns_about_one_axis_by_normal_angles():
    genes, std = random_genes(20000, dtype=torch.float32), math.radians(10)
    exchanged = draw_subtrees(subtree_table(LIMBS, "limbs", CPU), 20000, generator())
    mutated = draw_bones(exchanged, "axes", 0.3, generator(1))
    assert not (mutated & ~exchanged).any()
    assert abs(float(mutated.sum() / exchanged.sum()) - 0.3) < 0.01
    child = mutate_local(genes, mutated, "axes", std, generator(2))
    assert torch.equal(child.lengths, genes.lengths)
    assert torch.equal(child.directions[:, ~mutated], genes.directions[:, ~mutated])
    before, after = genes.directions[:, mutated].double(), child.directions[:, mutated].double()
    torch.testing.assert_close(after.norm(dim=0), torch.ones(after.shape[1], dtype=torch.float64), rtol=0, atol=1e-5)
    # The coordinate along the axis is kept; about it the others turn by the angle.
    axis = (before - after).abs().argmin(0)
    assert (before.gather(0, axis[None]) - after.gather(0, axis[None])).abs().max() < 1e-6
    assert torch.allclose(axis.bincount(minlength=3) / len(axis), torch.full((3,), 1 / 3), atol=0.02)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    angles = [torch.atan2(v.gather(0, j[None]), v.gather(0, i[None]))[0] for v in (before, after)]
    angle = torch.remainder(angles[1] - angles[0] + math.pi, 2 * math.pi) - math.pi
    assert abs(float(angle.mean())) < 0.005
    assert abs(float(angle.std()) / std - 1) < 0.03
    share = float((angle.abs() < std).double().mean())
    assert abs(share - 0.6827) < 0.02


def test_the_papers_mutation_changes_the_angles_of_one_bone():
    genes = random_genes(5000, dtype=torch.float32)
    mutated = draw_bones(torch.zeros(9, 5000, dtype=torch.bool), "angles", 0.0, generator())
    assert (mutated.sum(0) == 1).all()
    assert (mutated.sum(1) - 5000 / 9).abs().max() < 120
    child = mutate_local(genes, mutated, "angles", 0.1, generator(1)).directions[:, mutated].double()
    before = genes.directions[:, mutated].double()
    elevation = [torch.asin(v[2].clamp(-1, 1)) for v in (before, child)]
    low = elevation[0].abs() < 1.0  # far from the poles, where elevations are reflected
    assert abs(float((elevation[1] - elevation[0])[low].std()) - 0.1) < 0.005


def test_dense_and_sparse_turns_are_one_rotation():
    vectors = torch.randn(3, 600, generator=generator(), dtype=torch.float64)
    axis, angle = torch.arange(600) % 3, torch.linspace(-3, 3, 600, dtype=torch.float64)
    rotvec = torch.eye(3, dtype=torch.float64)[axis] * angle[:, None]
    expected = torch.einsum("nij,jn->in", rotvec_to_rotmat(rotvec), vectors)
    torch.testing.assert_close(turn_about_axes(vectors, axis, angle), expected)


def test_bodies_turn_about_their_root():
    coordinates = poses_last(people(50).poses.absolute.double())
    axes = torch.nn.functional.normalize(torch.randn(3, 50, generator=generator(), dtype=torch.float64), dim=0)
    angle = torch.linspace(-2, 2, 50, dtype=torch.float64)
    turned = rotate_globally(coordinates, 0, axes, angle)
    rotation = rotvec_to_rotmat(axes.T * angle[:, None])
    expected = torch.einsum("nij,jkn->ikn", rotation, coordinates - coordinates[:, :1]) + coordinates[:, :1]
    torch.testing.assert_close(turned, expected)
    assert torch.equal(turned[:, 0], coordinates[:, 0])


@pytest.mark.parametrize("extrinsics", [True, False])
def test_people_are_put_on_the_floor(extrinsics):
    poses = people(4000, extrinsics=extrinsics).poses
    vertical = Ground.under(poses).vertical.T
    coordinates = poses_last(poses.absolute)
    placed = place_on_floor(coordinates, vertical, draw_heights(4000, generator()))
    moved = (placed - coordinates)[:, 0]
    assert ((placed - coordinates) - moved[:, None]).abs().max() < 1e-5
    if extrinsics:
        world = poses.camera.camera_to_world(placed.permute(2, 1, 0))
        assert (poses.camera.camera_to_world(coordinates.permute(2, 1, 0)) - world)[..., [0, 2]].abs().max() < 1e-5
        lowest = world[..., 1].amin(1)
    else:
        # The floor is where the pose says that it is, below which a camera without a place looks level.
        lowest = FLOOR_HEIGHT + coordinates[1].amax(0) - placed[1].amax(0)
    assert abs(float(lowest.mean()) - FLOOR_HEIGHT) < 2e-4
    assert abs(float(lowest.std()) / FLOOR_STD - 1) < 0.04


def test_natural_selection_asks_all_bones_or_the_lower_ones():
    genes = random_genes(400)
    valid = genes.directions[0] < 0.6
    lower = torch.tensor([bone.order > 1 for bone in LIMBS.bones])
    for which, expected in (("all", valid.all(0)), ("lower", valid[lower].all(0)), ("none", valid[0] | True)):
        assert torch.equal(natural_selection(genes.directions, LIMBS, Cone(0.6), which), expected)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_active_selection_keeps_the_harder_half(errors):
    kept = active_selection(torch.tensor(errors, dtype=torch.float64))
    assert int(kept.sum()) == math.ceil(len(errors) / 2)
    left = [e for e, k in zip(errors, kept.tolist(), strict=True) if not k]
    assert not left or max(left) <= min(e for e, k in zip(errors, kept.tolist(), strict=True) if k)


def test_other_bodies_keep_directions_and_root():
    poses = people(900).poses
    bodies = BodySizes.of(poses)
    assert len(bodies.templates) == 3
    lengths = bodies.draw(900, generator())
    joints = mutate_lengths(poses.absolute, lengths, H36M_16)
    assert torch.equal(joints[:, 0], poses.absolute[:, 0])
    torch.testing.assert_close(bone_lengths(joints, H36M_16), lengths, rtol=1e-4, atol=1e-5)
    before, after = (torch.nn.functional.normalize(bone_vectors(j, H36M_16), dim=-1) for j in (poses.absolute, joints))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-5)
    flip = [H36M_16.bones.index(b) for b in H36M_16.bones]
    ends = {child: i for i, (_, child) in enumerate(H36M_16.bones)}
    flip = [ends[H36M_16.flip_index[child]] for _, child in H36M_16.bones]
    assert torch.equal(lengths, lengths[:, flip])
    ratio = (lengths[:, None] / bodies.templates).mean(2)
    size = ratio.gather(1, (ratio - 0.95).abs().argmin(1)[:, None])
    assert 0.7 < float(size.min()) < float(size.max()) < 1.25


def test_genes_know_their_rows():
    genes = random_genes(10)
    assert torch.equal(Genes.of(genes.directions, genes.lengths).table, genes.table)
    assert torch.equal(genes.select(torch.tensor([3])).lengths, genes.lengths[:, 3:4])
