"""The augmentor joint_limits: what becomes of implausible poses, against a check of one pose after the other."""

import attrs
import pytest
import torch
from limit_stand_ins import NoWaiting, people, same, slowly, straight_thighs

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_evoskeleton.limit_poses import LimitPoses, LimitPosesConfig

CONTEXT = BuildContext(skeleton=H36M_16)

test_replacing_and_the_conformance_kit = conformance_tests("augmentor", LimitPoses)
test_weighing_and_the_conformance_kit = conformance_tests("augmentor", LimitPoses, {"then": "weigh"})
test_reporting_and_the_conformance_kit = conformance_tests("augmentor", LimitPoses, {"then": "report"})


def made(then, least=0.8):
    part = LimitPoses(LimitPosesConfig(then=then), CONTEXT)
    part.body = straight_thighs(least)
    return part


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_plausible_poses_of_the_batch_take_the_place_of_others():
    batch = attrs.evolve(people(64), scene=torch.arange(64) // 2)
    fine = slowly(batch)
    assert 5 < sum(fine) < 59
    augmentation = made("replace").augment(batch, draws())
    assert bool(augmentation.accepted.all())
    assert augmentation.batch.scene is None
    assert all(slowly(augmentation.batch))
    kept = torch.tensor(fine)
    assert same(augmentation.batch.select(kept), batch.select(kept))
    for row in range(64):
        one = augmentation.batch.select(slice(row, row + 1))
        assert any(same(one, batch.select(slice(other, other + 1))) for other in range(64) if fine[other])


def test_stand_ins_are_drawn_evenly():
    """Each of K plausible poses stands in for a share of 1 / K, to within four standard deviations."""
    batch, part = people(32), made("replace")
    fine = torch.tensor(slowly(batch))
    count, draws_made = int(fine.sum()), 0
    generator, times = draws(1), torch.zeros(32)
    for _ in range(300):
        new = part.augment(batch, generator).batch.absolute[~fine]
        match = (new[:, None] == batch.absolute[None]).flatten(2).all(-1)
        times += match.sum(0)
        draws_made += len(new)
    expected = draws_made / count
    assert int(times.sum()) == draws_made
    assert bool((times[fine] - expected).abs().max() < 4 * expected**0.5)


def test_a_batch_without_a_plausible_pose_stays():
    batch = people(8)
    for then in ("replace", "weigh", "report"):
        augmentation = made(then, least=1.1).augment(batch, draws())
        assert same(augmentation.batch, batch)
        if then != "report":
            assert not bool(augmentation.accepted.any())


def test_implausible_poses_count_nothing():
    batch = people(50)
    fine = torch.tensor(slowly(batch))
    weighed = made("weigh").augment(batch, draws())
    assert torch.equal(weighed.batch.weight, fine.float())
    assert torch.equal(weighed.accepted, fine)
    weight = torch.rand(50, generator=draws(2))
    again = made("weigh").augment(attrs.evolve(batch, weight=weight), draws())
    assert torch.equal(again.batch.weight, torch.where(fine, weight, torch.zeros(50)))
    assert same(weighed.batch, batch)


@pytest.mark.parametrize("then", ["replace", "weigh", "report"])
def test_the_share_is_counted_over_all_batches(then):
    part = made(then)
    assert part.diagnostics() == {}
    batches = [people(20, seed) for seed in range(3)]
    for batch in batches:
        part.augment(batch, draws())
    assert part.diagnostics()["plausible"] == pytest.approx(sum(sum(slowly(batch)) for batch in batches) / 60)


def test_counting_changes_nothing():
    batch = people(9)
    augmentation = made("report").augment(batch, draws())
    assert augmentation.batch is batch
    assert augmentation.accepted is None


@pytest.mark.parametrize("then", ["replace", "weigh", "report"])
def test_the_host_never_waits(then):
    part, batch, generator = LimitPoses(LimitPosesConfig(then=then), CONTEXT), people(40), draws()
    part.augment(batch, generator)
    with NoWaiting():
        part.augment(batch, generator)


def test_what_users_may_get_wrong(tmp_path):
    snake = Skeleton("snake", ("a", "b", "c"), ("", "a", "b"))
    with pytest.raises(PoseplugError, match="'snake' has no limbs"):
        LimitPoses(LimitPosesConfig(), BuildContext(skeleton=snake))
    with pytest.raises(PoseplugError, match="nowhere"):
        LimitPoses(LimitPosesConfig(limits=str(tmp_path / "nowhere")), CONTEXT)
    with pytest.raises(PoseplugError, match="2D only"):
        made("report").augment(attrs.evolve(people(3), joints_3d=None), draws())
