"""Found people and whom they are: held against one person after the other, in Python."""

import attrs
import pytest
import torch
from toys import STAR

from poseplug.core.data.found import Found, match
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera


def camera(n):
    return Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))


def people(roots, scene, scenes, most):
    """True people with their roots at given places [N, 3], in scenes."""
    shape = torch.randn(len(roots), 5, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    joints = shape - shape[:, 2:3] + roots[:, None]
    batch = PoseBatch.seen(STAR, joints, camera(len(roots)), scene=torch.as_tensor(scene))
    return attrs.evolve(batch, scenes=Scenes(camera(scenes), most=most))


def found_at(roots, scene, score, most, joints_3d=None):
    return Found(torch.as_tensor(scene), torch.as_tensor(roots), torch.as_tensor(score), joints_3d=joints_3d, most=most)


def row(*xs):
    return torch.tensor([[x, 0.0, 5.0] for x in xs])


def by_hand(found, batch, radius, score, by, rule):
    """The rule, in words of one pair each."""
    of_people, of_found = [-1] * len(batch), [-1] * len(found)

    def apart(m, n):
        if by == "root":
            return float((found.root[m] - batch.root[n]).norm())
        return float((found.joints_3d[m] - batch.absolute[n]).norm(dim=-1).mean())

    rows = batch.scene_rows.tolist()
    order = sorted(range(len(found)), key=lambda m: (-float(found.score[m]), m))
    order = [m for m in order if float(found.score[m]) > score]
    if rule == "best":
        for n in range(len(batch)):
            near = [(apart(m, n), m) for m in order if found.scene[m] == rows[n] and apart(m, n) <= radius]
            if near:
                of_people[n] = min(near)[1]
        return of_people, {m: {n for n, taken in enumerate(of_people) if taken == m} for m in range(len(found))}
    for m in order:
        near = [n for n in range(len(batch)) if rows[n] == found.scene[m] and apart(m, n) <= radius]
        if rule == "free":
            near = [n for n in near if of_people[n] < 0]
        near.sort(key=lambda n: apart(m, n))
        if near and of_people[near[0]] < 0:
            of_people[near[0]], of_found[m] = m, near[0]
    return of_people, of_found


@pytest.mark.parametrize("rule", ["free", "nearest", "best"])
@pytest.mark.parametrize("by", ["root", "joints"])
def test_random_scenes_against_a_loop(by, rule):
    generator = torch.Generator().manual_seed(7)
    several = 0
    for _ in range(40):
        scenes, slots = 4, 5
        scene = torch.randint(0, scenes, (9,), generator=generator)
        most = int(scene.bincount(minlength=scenes).max())
        batch = people(torch.randn(9, 3, generator=generator), scene, scenes, most)
        rows = torch.arange(scenes).repeat_interleave(slots)[torch.randperm(scenes * slots, generator=generator)]
        joints = (
            torch.randn(scenes * slots, 5, 3, generator=generator) * 0.5
            + torch.randn(20, 1, 3, generator=generator) * 0.7
        )
        score = torch.randint(0, 5, (scenes * slots,), generator=generator) / 4  # many are equal, some empty
        found = found_at(joints[:, 2], rows, score, slots, joints)
        got = match(found, batch, 1.8, score=0.25, by=by, rule=rule)
        of_people, of_found = by_hand(found, batch, 1.8, 0.25, by, rule)
        assert got.of_people.tolist() == of_people
        if rule == "best":
            assert all(n in of_found[m] if n >= 0 else not of_found[m] for m, n in enumerate(got.of_found.tolist()))
        else:
            assert got.of_found.tolist() == of_found
        several += len([m for m in set(of_people) if m >= 0])
        assert torch.equal(got.matched, got.of_people >= 0)
    assert several > 100


def test_crossed_matches_a_miss_and_a_false_alarm():
    """Two people stand side by side; the surer find is nearer to the first, though it was made for the second."""
    batch = people(row(0.0, 0.4, 3.0), [0, 0, 0], 1, 3)
    found = found_at(row(0.45, 0.15, -2.0), [0, 0, 0], [0.5, 0.9, 0.8], 3)
    matching = match(found, batch, 0.5, score=0.3)
    assert matching.of_people.tolist() == [1, 0, -1]  # the third is missed
    assert matching.of_found.tolist() == [1, 0, -1]  # the third is a false alarm


def test_whoever_comes_second_takes_who_is_left_or_nobody():
    batch = people(row(0.0, 0.4), [0, 0], 1, 2)
    found = found_at(row(0.05, 0.1), [0, 0], [0.9, 0.8], 2)
    assert match(found, batch, 0.5).of_people.tolist() == [0, 1]
    assert match(found, batch, 0.5, rule="nearest").of_people.tolist() == [0, -1]
    assert match(found, batch, 0.5, rule="best").of_people.tolist() == [0, 1]
    alone = found.select(slice(0, 1))
    assert match(alone, batch, 0.5, rule="best").of_people.tolist() == [0, 0]
    assert match(alone, batch, 0.5).of_people.tolist() == [0, -1]


def test_of_equal_scores_the_first_row_chooses_first():
    batch = people(row(0.0), [0], 1, 1)
    found = found_at(row(0.3, 0.1), [0, 0], [0.7, 0.7], 2)
    assert match(found, batch, 0.5).of_people.tolist() == [0]


def test_limits_are_as_said():
    batch = people(row(0.0, 2.0), [0, 0], 1, 2)
    found = found_at(row(0.5, 2.0), [0, 0], [0.5, 0.3], 2)
    assert match(found, batch, 0.5, score=0.3).of_people.tolist() == [0, -1]  # at the radius yes, at the score no
    assert match(found, batch, 0.49, score=0.29).of_people.tolist() == [-1, 1]


def test_nobody_crosses_scenes_and_scenes_may_be_empty():
    batch = people(row(0.0, 0.0), [1, 3], 5, 1)
    found = found_at(row(0.0, 0.0, 0.0), [0, 3, 4], [0.9, 0.9, 0.9], 2)
    matching = match(found, batch, 1.0)
    assert matching.of_people.tolist() == [-1, 1]
    assert matching.of_found.tolist() == [-1, 1, -1]


def test_a_place_that_is_no_number_is_nobody_s():
    batch = people(row(0.0, 1.0), [0, 0], 1, 2)
    found = found_at(row(float("nan"), 1.0), [0, 0], [0.9, 0.8], 2)
    assert match(found, batch, 1.0).of_people.tolist() == [-1, 1]


@pytest.mark.parametrize("rule", ["free", "nearest", "best"])
def test_without_people_or_without_finds(rule):
    batch = people(row(0.0), [0], 2, 1)
    found = found_at(row(0.0), [1], [0.9], 1)
    nobody = match(found, batch.select(slice(0, 0)), 1.0, rule=rule)
    assert (nobody.of_people.shape, nobody.of_found.tolist()) == ((0,), [-1])
    nothing = match(found.select(slice(0, 0)), batch, 1.0, rule=rule)
    assert (nothing.of_people.tolist(), nothing.of_found.shape) == ([-1], (0,))


def test_people_without_scenes_are_each_in_a_scene_of_their_own():
    batch = attrs.evolve(people(row(0.0, 0.0), [0, 0], 1, 2), scenes=None)
    found = found_at(row(0.1, 0.1), [1, 0], [0.9, 0.8], 1)
    assert match(found, batch, 1.0).of_people.tolist() == [1, 0]


def test_poses_that_are_not_lifted_cannot_be_compared():
    batch = people(row(0.0), [0], 1, 1)
    with pytest.raises(ValueError, match="not lifted yet"):
        match(found_at(row(0.0), [0], [0.9], 1), batch, 1.0, by="joints")


def test_poses_are_compared_joint_by_joint():
    """What is compared never has a dimension of joints beside those of scenes, slots and people."""
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            sizes.append(made.numel() if isinstance(made, torch.Tensor) else 0)
            return made

    batch = people(torch.randn(40, 3), torch.arange(4).repeat_interleave(10), 4, 10)
    found = found_at(torch.randn(40, 3), torch.arange(4).repeat_interleave(10), torch.rand(40), 10, batch.absolute)
    with Watch():
        match(found, batch, 5.0, by="joints")
    assert max(sizes) == 4 * 10 * 10 * 3


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_matching_does_not_make_the_gpu_wait():
    batch = people(row(0.0, 0.4, 3.0), [0, 0, 0], 1, 3).to("cuda")
    found = found_at(row(0.45, 0.15, -2.0), [0, 0, 0], [0.5, 0.9, 0.8], 3).to("cuda")
    match(found, batch, 0.5)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        matching = match(found, batch, 0.5, score=0.3)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    assert matching.of_people.tolist() == [1, 0, -1]
