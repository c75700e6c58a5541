"""The source within_limits, around tables of poses whose plausible ones are known."""

import attrs
import pytest
import torch
from limit_stand_ins import NoWaiting, people, same, slowly, straight_thighs

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.conformance import conformance_tests
from poseplug_evoskeleton.limited_body import LimitedBody
from poseplug_evoskeleton.within_limits import WithinLimits, WithinLimitsConfig

test_a_finite_source_and_the_conformance_kit = conformance_tests("source", WithinLimits)
NAMES = {"action": ("a", "b", "c")}


class Endless(PoseSource):
    def __init__(self, table):
        self.table, self.drawn = table, 0
        self.skeleton, self.label_names = table.skeleton, table.label_names

    def sample(self, n, generator):
        self.drawn += n
        return self.table.sample(n, generator)


def around(source, least=0.8, **settings):
    """The source about another, with limits on thighs."""
    context = BuildContext(build=lambda kind, text: source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LimitedBody, "of", lambda *_: straight_thighs(least))
        return WithinLimits(WithinLimitsConfig(of="x", **settings), context)


def table(n=300):
    return PoseTable(people(n), NAMES)


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_plausible_ones_in_the_order_in_which_they_were_drawn():
    inner = Endless(table())
    source = around(inner)
    assert not isinstance(source, FiniteSource)
    share = sum(slowly(inner.table.poses)) / 300
    assert source.diagnostics()["plausible"] == pytest.approx(share, abs=0.04)
    inner.drawn = 0
    batch = source.sample(200, draws())
    assert inner.drawn < 1.6 * 200 / share
    again = inner.table.sample(inner.drawn, draws())
    expected = again.select(torch.tensor(slowly(again))).select(slice(0, 200))
    assert len(expected) == 200
    assert same(batch, expected)
    assert source.diagnostics()["plausible"] == sum(slowly(again)) / len(again)


def test_where_all_are_plausible_nothing_changes():
    inner = Endless(table())
    batch = around(inner, least=-1.1).sample(50, draws())
    assert same(batch, inner.table.sample(50, draws()))


@pytest.mark.parametrize("n", [1, 7, 400])
def test_too_few_are_taken_again(n):
    """Of a handful of plausible poses, however rare, a batch is filled."""
    source = around(Endless(table()), most=1)
    for seed in range(5):
        batch = source.sample(n, draws(seed))
        assert len(batch) == n
        assert all(slowly(batch))


def test_a_finite_source_loses_poses_and_keeps_their_order():
    inner = table()
    source = around(inner)
    assert isinstance(source, FiniteSource)
    expected = inner.poses.select(torch.tensor(slowly(inner.poses)))
    assert len(source) == len(expected)
    for size in (7, 300):
        batches = list(source.batches(size))
        assert all(0 < len(batch) <= size for batch in batches)
        assert same(PoseBatch.join(batches), expected)
    assert all(slowly(source.sample(500, draws())))
    assert source.diagnostics()["plausible"] == pytest.approx(len(expected) / 300, abs=0.1)


def test_the_host_never_waits():
    context = BuildContext(build=lambda kind, text: Endless(table()))
    source, generator = WithinLimits(WithinLimitsConfig(of="x"), context), draws()
    source.sample(20, generator)
    with NoWaiting():
        source.sample(20, generator)


def test_what_users_may_get_wrong():
    with pytest.raises(PoseplugError, match="not one pose of 'x' is within the limits"):
        around(table(), least=1.1)
    with pytest.raises(PoseplugError, match="not one pose"):
        around(Endless(table()), least=1.1)
    flat = PoseTable(attrs.evolve(people(5), joints_3d=None), NAMES)
    with pytest.raises(PoseplugError, match="'x' gives 2D only"):
        around(flat)
    with pytest.raises(PoseplugError, match="within a run"):
        WithinLimits(WithinLimitsConfig(of="x"), BuildContext())
