"""Limits learned from poses: batch by batch, left as right, no wider than asked, and no knees that bend forwards."""

from __future__ import annotations

import math

import pytest
import torch

from poseplug.core.anatomy.hinges import bends, overextended
from poseplug.core.anatomy.learn_limits import DirectionCounts, LimitSettings, learn_limits
from poseplug.core.anatomy.limb_frames import limb_vectors, measure_limbs, place_limbs, poses_first, poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.anatomy.motion_ranges import lower_ranges, upper_ranges
from poseplug.core.anatomy.sphere_grid import SphereGrid
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton

LIMBS = limbs_of(H36M_16)
ALONE = LimitSettings(ranges=False, count=1)
UP, DOWN, FORWARD, RIGHT = (
    torch.tensor(axis, dtype=torch.float64) for axis in ((0, -1.0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0))
)


@pytest.fixture(scope="module")
def poses() -> torch.Tensor:
    from poseplug_datasets.builtin import world_poses

    return world_poses(H36M_16, "train", 1, 16, torch.device("cpu")).joints


@pytest.fixture(scope="module")
def learned(poses):
    return learn_limits([poses], H36M_16, ALONE)


def same(first, second) -> bool:
    return all(torch.equal(first.tables[name], table) for name, table in second.tables.items())


def test_all_poses_are_accepted_and_their_mirror_images(poses, learned):
    mirrored = poses[:, list(H36M_16.flip_index)] * torch.tensor([-1.0, 1, 1])
    for joints in (poses, mirrored):
        assert learned.accepts(joints, H36M_16).all(1).float().mean() >= 0.995
    assert min(learned.facts["accepted"].values()) >= 0.995
    assert learned.facts["poses"] == len(poses)


def test_batches_do_not_matter_nor_who_is_mirrored_or_moved(poses, learned):
    assert same(learned, learn_limits(poses.split(100), H36M_16, ALONE))
    moved = poses * 100 + torch.tensor([1.0, 2, 3])
    others = learn_limits([moved], H36M_16, ALONE)
    for name, table in learned.tables.items():
        assert (table != others.tables[name]).float().mean() < 2e-3


def test_memory_does_not_grow_with_poses(poses):
    counts = DirectionCounts(ALONE)
    sizes = {name: tuple(table.shape) for name, table in counts.counts.items()}
    for _ in range(3):
        counts.add(poses, H36M_16)
    assert {name: tuple(table.shape) for name, table in counts.counts.items()} == sizes
    assert counts.counts["shin"].sum() == 3 * 2 * len(poses)
    assert counts.counts["head"].sum() == 3 * 2 * len(poses)  # with its mirror image


def test_margins_widen(poses, learned):
    wide = learn_limits([poses], H36M_16, LimitSettings(ranges=False, count=1, margin=15))
    wider = learn_limits([poses], H36M_16, LimitSettings(ranges=False, count=1, margin=15, parent_margin=25))
    for name, table in learned.tables.items():
        assert (wide.tables[name] | ~table).float().mean() > 0.999
        assert wide.tables[name].sum() > table.sum()
    assert wider.tables["shin"].sum() > wide.tables["shin"].sum()


def test_a_margin_is_an_angle():
    """One pose; what is allowed is a cap about each of its bones, to a cell or two."""
    held = torch.randn(3, len(LIMBS.bones), 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    held = held / held.norm(dim=0)
    coordinates = poses_last(torch.randn(1, 16, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    frames = measure_limbs(coordinates, LIMBS).frames
    joints = poses_first(place_limbs(coordinates, limb_vectors(frames, held, torch.ones_like(held[0]), LIMBS), LIMBS))
    settings = LimitSettings(ranges=False, count=1, margin=20, closing=0, keep=0)
    limits = learn_limits([joints], H36M_16, settings)
    drawn = torch.randn(3, 9, 20_000, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    drawn = drawn / drawn.norm(dim=0)
    valid = limits.valid(drawn, LIMBS)
    for b, bone in enumerate(LIMBS.bones):
        if bone.order == 1 and bone.side:
            other = held[:, LIMBS.mirror[b]] * torch.tensor([-1.0, 1, 1], dtype=torch.float64)[:, None]
            nearest = torch.maximum((drawn[:, b] * held[:, b]).sum(0), (drawn[:, b] * other).sum(0)).acos().rad2deg()
            assert valid[b][nearest < 15].all()
            assert not valid[b][nearest > 25].any()


def test_a_count_leaves_out_what_was_seen_once(poses):
    odd = poses[:1].clone()
    elbow, shoulder = H36M_16.index("RElbow"), H36M_16.index("RShoulder")
    odd[:, elbow] = odd[:, shoulder] + (odd[:, H36M_16.index("Thorax")] - odd[:, H36M_16.index("Spine")])
    both = [poses, odd]
    strict = learn_limits(both, H36M_16, LimitSettings(ranges=False, count=2, keep=0))
    every = learn_limits(both, H36M_16, LimitSettings(ranges=False, count=2, keep=1))
    bone = LIMBS.names.index("RShoulder-RElbow")
    assert strict.facts["count"] == 2
    assert every.facts["count"] == 1
    assert not strict.accepts(odd, H36M_16)[0, bone]
    assert every.accepts(odd, H36M_16).all()


def test_what_cannot_be_learned_from_is_refused(poses):
    with pytest.raises(PoseplugError, match="no pose"):
        learn_limits([], H36M_16)
    with pytest.raises(PoseplugError, match="no pose"):
        learn_limits([torch.full_like(poses[:3], math.nan)], H36M_16)
    with pytest.raises(PoseplugError, match="left_arm"):
        learn_limits([poses[:, :3]], Skeleton("snake", ("a", "b", "c"), ("", "a", "b")))


def test_half_a_body_has_half_the_limits(poses):
    """Arms alone: legs may do as they like, unless published ranges say what."""
    names = ("Spine", "Thorax", "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")
    parents = ("", "Spine", "Thorax", "LShoulder", "LElbow", "Thorax", "RShoulder", "RElbow")
    arms = Skeleton("arms", names, parents, pairs=tuple(("L" + n, "R" + n) for n in ("Shoulder", "Elbow", "Wrist")))
    joints = poses[:, [H36M_16.index(name) for name in names]]
    limits = learn_limits([joints], arms, ALONE)
    assert {bone.name for bone in limits.bones} == {"upper_arm", "forearm"}
    assert limits.accepts(joints, arms).all(1).float().mean() > 0.99
    whole = limits.accepts(torch.randn_like(poses), H36M_16)
    assert whole[:, ["Knee" in name or "Head" in name for name in LIMBS.names]].all()
    assert not whole.all()
    ranged = learn_limits([joints], arms, LimitSettings(count=1))
    assert {bone.name for bone in ranged.bones} == {"head", "upper_arm", "forearm", "thigh", "shin"}


def test_limits_serve_other_layouts(poses, learned):
    from poseplug_datasets.builtin import world_poses

    others = world_poses(H36M_17, "train", 1, 16, torch.device("cpu")).joints
    accepted = learned.accepts(others, H36M_17)
    assert accepted[:, 1:].all(1).float().mean() > 0.99


def bend(kind: str, upper: torch.Tensor, lower: torch.Tensor) -> tuple[float, float]:
    """Return bend and azimuth, degrees, of a lower bone below an upper one; both in the torso's axes."""
    rest = torch.ones(3, dtype=torch.float64) / math.sqrt(3)
    middle = upper + rest
    # The turn that takes the upper bone to rest, of the lower one.
    local = lower - middle * (middle @ lower) / (1 + upper @ rest) + 2 * rest * (upper @ lower)
    angle, azimuth = bends(kind, upper[:, None], local[:, None])
    return math.degrees(angle), math.degrees(azimuth)


@pytest.mark.parametrize(
    ("kind", "upper", "lower", "azimuth"),
    [
        ("forearm", DOWN, FORWARD, 0),  # an arm that hangs, its elbow at a right angle
        ("forearm", DOWN, -RIGHT, 90),  # across the belly
        ("forearm", DOWN, RIGHT, -90),
        ("forearm", FORWARD, UP, 0),
        ("forearm", FORWARD, -RIGHT, 90),
        ("forearm", RIGHT, FORWARD, 0),  # raised sideways
        ("forearm", RIGHT, UP, -90),  # "hands up": the shoulder turned outwards
        ("forearm", DOWN, -FORWARD, 180),
        ("shin", DOWN, -FORWARD, 0),  # standing on one leg
        ("shin", FORWARD, DOWN, 0),  # sitting
        ("shin", FORWARD, -RIGHT, 90),  # and with the foot turned in front of the other
        ("shin", FORWARD, UP, 180),
        ("shin", DOWN, FORWARD, 180),
    ],
)
def test_hinges(kind, upper, lower, azimuth):
    angle, found = bend(kind, upper, lower)
    assert angle == pytest.approx(90)
    assert abs((found - azimuth + 180) % 360 - 180) == pytest.approx(0, abs=1e-6)


def test_a_straight_limb_is_not_overextended_and_no_range_is():
    above, grid = SphereGrid(12), SphereGrid(30)
    for kind in ("forearm", "shin"):
        wrong = overextended(kind, above.centres, grid.centres)
        assert 0.1 < wrong.float().mean() < 0.5
        straight = (grid.centres.sum(0) / math.sqrt(3)).clamp(-1, 1).acos() < math.radians(5)
        assert straight.any()
        assert not wrong[:, straight].any()
        nearly = (grid.centres.sum(0) / math.sqrt(3)).clamp(-1, 1).acos() < math.radians(8)
        overlap = lower_ranges(kind, above.centres, grid.centres) & wrong
        assert not overlap[:, ~nearly].any()


@pytest.mark.parametrize(
    ("kind", "inside", "outside"),
    [
        ("head", [(0, -1, 0), (0, -1, 0.8), (0.7, -1, 0)], [(0, 1, 0), (0, 0, -1), (1, 0, 0)]),
        (
            "upper_arm",
            [(0, 1, 0), (1, 0, 0), (0, 0, 1), (0, -1, 0.1), (0, 1, -1), (-0.7, 0.3, 0.7)],
            [(0, 0, -1), (-1, 0, 0), (-1, 0.3, -1), (0, -1, -1), (-1, -1, 0)],
        ),
        ("thigh", [(0, 1, 0), (0, 0, 1), (0.8, 1, 0), (0, 1, -0.8)], [(0, -1, 0), (0, 0, -1), (-1, 0, 0), (1, -1, 0)]),
    ],
)
def test_ranges_of_upper_bones(kind, inside, outside):
    for directions, expected in ((inside, True), (outside, False)):
        vectors = torch.tensor(directions, dtype=torch.float64).T
        assert (upper_ranges(kind, vectors / vectors.norm(dim=0)) == expected).all(), directions
