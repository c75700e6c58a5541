from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import roma
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.procrustes import alignment_errors
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.sources.pose_table import PoseTable
from poseplug_posegu import fk_generator
from poseplug_posegu.fk_generator import FKGenerator, FKGeneratorConfig
from poseplug_posegu.inverse_kinematics import Posture, inverse_kinematics, pose
from poseplug_posegu.joint_angles import READINGS
from poseplug_posegu.keyframes import inter_frame_weights
from poseplug_posegu.seed_poses import angle_ranges, draw_seed_poses, upright_frames

People = Callable[..., PoseTable]
SPIDER = Skeleton(
    "spider",
    ("toe", "knee", "body", "claw", "eye"),
    ("knee", "body", "", "body", "body"),
    rest={"eye": (0.0, -0.6, 0.8), "claw": (1.0, 0.0, 0.0)},
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(reference: PoseSource, seed: int = 0, **settings: Any) -> FKGenerator:
    return FKGenerator(FKGeneratorConfig(**settings), BuildContext(reference=reference, seed=seed))


def upright(batch: PoseBatch) -> Tensor:
    return batch.root_relative @ upright_frames(batch.camera)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_a_batch_is_complete_and_consistent(people: People, reading: str, n: int) -> None:
    source = built(people(), reading=reading)
    batch = source.sample(n, generator())
    assert len(batch.camera) == n
    assert batch.absolute.shape == (n, 16, 3)
    assert batch.absolute.is_contiguous()
    assert torch.allclose(batch.joints_2d, batch.camera.project(batch.absolute), atol=1e-3)
    assert batch.origin is not None
    assert batch.origin.tolist() == [Origin.GENERATED] * n
    assert set(batch.labels) == {"action", "subject"} == set(source.label_names)
    assert source.label_names["action"] == ("walk", "sit", "wave")
    assert batch.labels["action"].max() < 3
    assert batch.labels["subject"].max() < 2


def test_equal_generators_give_equal_poses(people: People) -> None:
    reference = people()
    first, again = built(reference).sample(333, generator(3)), built(reference).sample(333, generator(3))
    assert torch.equal(first.absolute, again.absolute)
    assert torch.equal(first.joints_2d, again.joints_2d)
    assert not torch.equal(first.absolute, built(reference).sample(333, generator(4)).absolute)
    assert not torch.equal(first.absolute, built(reference, seed=1, seed_poses=5).sample(333, generator(3)).absolute)


def test_bone_lengths_are_those_of_the_subjects(people: People) -> None:
    reference = people()
    batch = built(reference).sample(500, generator())
    true = torch.stack([bone_lengths(reference.poses.absolute[i : i + 1], H36M_16)[0] for i in range(2)])
    assert torch.allclose(bone_lengths(batch.absolute, H36M_16), true[batch.labels["subject"]], atol=2e-6)
    assert 150 < batch.labels["subject"].sum() < 350


def test_actions_have_equal_shares(people: People) -> None:
    batch = built(people(), inter_frames=5).sample(3000, generator())
    assert torch.bincount(batch.labels["action"]).tolist() == [1000, 1000, 1000]
    single = built(people())
    seen = {single.sample(1, generator(seed)).labels["action"].item() for seed in range(20)}
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("rotation", ["sequence", "interpolated"])
def test_identical_seeds_give_the_seed_again(people: People, reading: str, rotation: str) -> None:
    """Up to a turn about the vertical, position and lengths (here the seed's own)."""
    one = people(2).poses.select(torch.zeros(1, dtype=torch.int64))
    batch = built(PoseTable(one), reading=reading, rotation=rotation).sample(200, generator())
    seed, poses = upright(one).double(), upright(batch).double()
    assert alignment_errors(poses, seed.expand_as(poses), scale=False).max() < 1e-5
    # The turn is about the vertical: heights do not change, headings do.
    assert torch.allclose(poses[..., 1], seed[..., 1].expand_as(poses[..., 1]), atol=1e-5)
    heading = torch.atan2(poses[:, 9, 0], poses[:, 9, 2])
    assert heading.max() - heading.min() > 3


@pytest.mark.parametrize("reading", READINGS)
def test_angles_stay_within_the_seeds_ranges(people: People, reading: str) -> None:
    reference = people(scatter=0.3)
    source = built(reference, reading=reading, seed_poses=8)
    drawn = source._keys.draw(500, 1, generator())
    seeds = draw_seed_poses(reference, 8, BuildContext().generator(0x5EED))
    posture = inverse_kinematics(upright(seeds.poses), H36M_16, READINGS[reading])
    order = source._poser.order
    for action in range(3):
        own = posture.angles[seeds.action == action][:, order].permute(0, 2, 1).flatten(1)
        found = torch.cat([drawn.start, drawn.end], dim=1)[:45, (drawn.action == action).repeat(2)]
        assert (found.amin(1) >= own.amin(0) - 1e-6).all()
        assert (found.amax(1) <= own.amax(0) + 1e-6).all()
        # And they fill them.
        assert ((found.amax(1) - found.amin(1)) >= 0.9 * (own.amax(0) - own.amin(0)) - 1e-6).all()


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("rotation", ["sequence", "interpolated"])
@pytest.mark.parametrize("frames", [4, 3, 1])
def test_frames_between_key_frames_follow_equation_7(
    people: People, reading: str, rotation: str, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole path, against equation 7 written out and the general forward kinematics."""
    count, gaps_drawn = 4, 6
    monkeypatch.setattr(fk_generator, "_VARIED_POSES", 24 if frames == 1 else gaps_drawn)
    source = built(people(), reading=reading, inter_frames=count, key_frames=2, rotation=rotation)
    batch = source.sample(gaps_drawn * frames, generator(5))
    again = generator(5)
    gaps = source._keys.draw(gaps_drawn, 2, again)
    numbers = (count * inter_frame_weights(frames, gaps_drawn, count, again)).round()
    assert all(len(set(own)) == frames and set(own) <= {1, 2, 3, 4} for own in numbers.T.tolist())
    inverse_order = torch.tensor(source._poser.order).argsort()
    for row, n in enumerate(numbers):  # n of each gap
        angles = gaps.start + n * (gaps.end - gaps.start) / count
        posture = Posture(
            frame=roma.euler_to_rotmat("YXZ", angles[45:].T),
            angles=angles[:45].view(3, 15, -1).permute(2, 1, 0)[:, inverse_order],
            lengths=gaps.lengths.T[:, inverse_order],
            root=torch.zeros(gaps_drawn, 3),
        )
        expected = pose(posture, H36M_16, READINGS[reading])
        found = upright(batch)[row * gaps_drawn : (row + 1) * gaps_drawn]
        assert torch.allclose(found, expected, atol=1e-5)


def test_a_training_batch_shares_no_gap_and_a_large_one_does(people: People) -> None:
    """With still seeds but for the turn of the body, frames of one gap are alike."""
    source = built(PoseTable(people(2).poses.select(torch.zeros(1, dtype=torch.int64))))
    small, large = (
        torch.unique(source.sample(n, generator()).root_relative.round(decimals=4), dim=0) for n in (500, 50_000)
    )
    assert len(small) > 490
    assert len(large) <= 5000


def test_every_step_of_a_gap_is_equally_likely() -> None:
    weights = inter_frame_weights(3, 40_000, 10, generator())
    shares = torch.bincount((weights * 10).round().long().flatten(), minlength=11)[1:] / weights.numel()
    assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.005)


def test_last_frame_of_a_gap_is_the_next_key_frame(people: People) -> None:
    source = built(people(), key_frames=3)
    gaps = source._keys.draw(9, 3, generator())
    # Gaps are listed step by step: gap k + 3 goes on where gap k ends.
    assert torch.equal(gaps.end[:, :6], gaps.start[:, 3:])
    assert torch.equal(gaps.action[:3], gaps.action[3:6])
    assert torch.equal(torch.lerp(gaps.start, gaps.end, torch.ones(())), gaps.end)


def test_root_turns_within_a_sequence_only_on_request(people: People) -> None:
    still = built(people())._keys.draw(30, 1, generator())
    assert torch.equal(still.start[45:], still.end[45:])
    turning = built(people(), rotation="interpolated")._keys.draw(30, 1, generator())
    assert (turning.start[45:] != turning.end[45:]).all()
    assert still.start[45].abs().max() <= math.pi


def test_tilt_bounds_pitch_and_roll(people: People) -> None:
    drawn = built(people(), tilt=10.0)._keys.draw(2000, 1, generator())
    assert drawn.start[46:].abs().max() <= math.radians(10) + 1e-6
    assert drawn.start[46:].abs().max() > math.radians(9.5)


@pytest.mark.parametrize("distorted", [True, False])
@pytest.mark.parametrize("narrow", [1.0, 3.0])
def test_everybody_is_in_view(people: People, distorted: bool, narrow: float) -> None:
    """Also through a lens so long that hardly a seed is."""
    poses = people(distorted=distorted).poses
    camera = attrs.evolve(poses.camera, focal=poses.camera.focal * narrow)
    source = built(PoseTable(attrs.evolve(poses, camera=camera)), min_depth=0.5)
    batch = source.sample(5000, generator())
    assert batch.absolute[..., 2].min() >= 0.5 - 1e-5
    assert batch.joints_2d.min() >= 0
    assert (batch.joints_2d <= batch.camera.size[:, None]).all()


def test_bodies_in_view_stay_where_the_seeds_are(people: People) -> None:
    reference = people()
    roots = built(reference).sample(500, generator()).root
    nearest = torch.cdist(roots, reference.poses.root).amin(1)
    assert nearest.median() < 1e-5


def test_people_stand_upright_in_the_world(people: People) -> None:
    batch = built(people(scatter=0.1)).sample(500, generator())
    world = batch.camera.camera_to_world(batch.absolute)
    head, foot = world[:, H36M_16.index("Head"), 1], world[:, H36M_16.index("LFoot"), 1]
    assert (head - foot > 0.5).all()


def test_a_fixed_set_is_made_once(people: People) -> None:
    source = built(people(), poses=40)
    rows = {tuple(row) for row in source.sample(500, generator()).root.tolist()}
    assert len(rows) <= 40
    assert source.sample(3, generator()).labels["action"].shape == (3,)
    again = built(people(), poses=40)
    assert torch.equal(source.sample(9, generator(1)).absolute, again.sample(9, generator(1)).absolute)


def test_a_long_batch_is_like_its_chunks(people: People) -> None:
    """More poses than are worked on at once: all rows are filled, and with the cameras that see them."""
    batch = built(people(), inter_frames=7).sample(40_001, generator())
    assert len(batch) == 40_001
    assert (batch.joints_2d - batch.camera.project(batch.absolute)).abs().max() < 1e-2
    assert batch.absolute.isfinite().all()


@pytest.mark.parametrize("reading", READINGS)
def test_a_reference_without_labels_extrinsics_or_a_human_shape(people: People, reading: str) -> None:
    poses = people(skeleton=SPIDER, distorted=False).poses
    camera = attrs.evolve(poses.camera, rotation=None, position=None)
    source = built(PoseTable(attrs.evolve(poses, labels={}, camera=camera)), reading=reading)
    batch = source.sample(50, generator())
    assert source.label_names == {"action": ("0",), "subject": ("0",)}
    assert batch.skeleton == SPIDER
    assert batch.labels["action"].tolist() == [0] * 50
    assert batch.joints_2d.isfinite().all()


def test_an_endless_reference_is_represented_by_a_sample(people: People) -> None:
    table = people()

    class Endless(PoseSource):
        skeleton = table.skeleton
        label_names = table.label_names

        def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
            return table.sample(n, generator)

    roots = built(Endless()).sample(500, generator()).root
    assert torch.cdist(roots, table.poses.root).amin(1).median() < 1e-5


def test_seeds_are_distinct_poses_of_their_action(people: People) -> None:
    reference = people(121)
    seeds = draw_seed_poses(reference, 20, generator())
    assert seeds.count.tolist() == [20, 20, 20]
    assert torch.equal(seeds.action, torch.arange(3).repeat_interleave(20))
    assert len(torch.unique(seeds.poses.root, dim=0)) == 60
    assert seeds.poses.labels["action"].tolist() == seeds.action.tolist()
    few = draw_seed_poses(people(10), 20, generator())
    assert few.count.tolist() == [4, 4, 2]


def test_ranges_unwrap_angles_that_cross_half_a_turn(people: People) -> None:
    seeds = draw_seed_poses(people(12), 4, generator())
    angles = torch.tensor([3.0, -3.0, 3.1, -3.1, 0.1, -0.2, 0.3, 0.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    ranges = angle_ranges(angles, seeds)
    assert ranges.span[:, 0].tolist() == pytest.approx([2 * math.pi - 6, 0.5, 0.0], abs=1e-6)
    assert ranges.low[1:, 0].tolist() == pytest.approx([-0.2, 1.0])
    assert math.cos(ranges.low[0, 0]) == pytest.approx(math.cos(3.0), abs=1e-6)


def test_errors_say_what_to_do(people: People) -> None:
    with pytest.raises(PoseplugError, match="--reference"):
        FKGenerator(FKGeneratorConfig(), BuildContext())
    flat = people()
    flat.has_3d = False
    with pytest.raises(PoseplugError, match="3D"):
        built(flat)
    poses = people(distorted=False).poses
    off = attrs.evolve(poses, camera=attrs.evolve(poses.camera, centre=poses.camera.centre - 600))
    with pytest.raises(PoseplugError, match="principal point"):
        built(PoseTable(off))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_nothing_waits(people: People) -> None:
    reference = PoseTable(people().poses.to("cuda"))
    context = BuildContext(reference=reference, device=torch.device("cuda"))
    source, draws = FKGenerator(FKGeneratorConfig(), context), torch.Generator("cuda")
    source.sample(100, draws)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = source.sample(1000, draws)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.absolute.is_cuda
    assert batch.joints_2d.isfinite().all()
