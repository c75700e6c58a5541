"""Statistics against closed forms and against scipy's own tests."""

import builtins
import math

import numpy as np
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.reports.statistics import main_effects, over_seeds, paired

NAN = math.nan


def test_means_and_spread_of_the_seeds_that_are_there():
    found = over_seeds(np.array([[1.0, 2, 6], [1, NAN, 3], [NAN, 5, NAN], [NAN, NAN, NAN]]))
    assert found.mean.tolist()[:3] == [3, 2, 5]
    assert found.sd[0] == pytest.approx(math.sqrt(7))
    assert found.sd[1] == pytest.approx(math.sqrt(2))
    assert np.isnan(found.sd[2:]).all()
    assert np.isnan(found.mean[3])
    assert found.n.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_paired_differences_are_those_of_scipy(seeds):
    from scipy.stats import ttest_rel

    generator = np.random.default_rng(seeds)
    baseline = generator.normal(60, 5, seeds)
    values = baseline + generator.normal(-3, 1, (4, seeds))
    found = paired(values, baseline)
    for row in range(4):
        expected = ttest_rel(values[row], baseline).confidence_interval(0.95)
        assert (found.low[row], found.high[row]) == pytest.approx((expected.low, expected.high))
        assert found.mean[row] == pytest.approx((values[row] - baseline).mean())


def test_of_two_seeds_the_interval_is_that_of_student_with_one_degree_of_freedom():
    found = paired(np.array([3.0, 5]), np.array([1.0, 1]))
    # t is tan(0.475 pi) there, the quantile of Cauchy's distribution, and the standard error is 1.
    assert found.high - found.mean == pytest.approx(math.tan(0.475 * math.pi))
    assert found.mean == 3


def test_only_seeds_of_both_count():
    found = paired(np.array([[1.0, 2, 30, NAN], [NAN, 4, NAN, 7]]), np.array([0.0, 0, NAN, 5]))
    assert found.mean.tolist() == [1.5, 3]
    assert found.n.tolist() == [2, 2]
    alone = paired(np.array([1.0, NAN]), np.array([0.0, 0]))
    assert alone.mean == 1
    assert alone.n == 1
    assert np.isnan([alone.low, alone.high]).all()


def test_main_effects_of_a_sum_of_effects_are_its_terms():
    """Where factors and seeds add up, an effect is known exactly, and seeds take nothing from it."""
    levels, contexts, seeds = np.array([0.0, -4, 7]), np.array([10.0, 20, 90, 5]), np.array([0.0, 3, -2])
    values = levels[:, None, None] + contexts[:, None] + seeds
    effect, pairs = main_effects(values, 0)
    assert effect.mean == pytest.approx(levels)
    assert effect.low == pytest.approx(levels)
    assert pairs.tolist() == [12, 12, 12]
    other, _ = main_effects(values, 2)
    assert other.mean == pytest.approx(levels - 7)


def test_a_cell_that_is_missing_leaves_an_additive_effect_as_it_is():
    """Means of what happens to be there would not: the context of 90 would weigh on one level alone."""
    values = np.array([0.0, -4])[:, None, None] + np.array([10.0, 20, 90])[:, None] + np.array([0.0, 3])
    values[1, 2] = NAN
    values[0, 0, 1] = NAN
    effect, pairs = main_effects(values, 0)
    assert effect.mean[1] == pytest.approx(-4)
    assert pairs[1] == 3
    assert effect.n[1] == 2


def test_main_effects_of_noise_are_scipys_on_the_means_of_each_seed():
    from scipy.stats import ttest_rel

    values = np.random.default_rng(0).normal(50, 4, (3, 6, 5))
    effect, _ = main_effects(values, 1)
    expected = ttest_rel(values[2].mean(0), values[1].mean(0)).confidence_interval(0.95)
    assert (effect.low[2], effect.high[2]) == pytest.approx((expected.low, expected.high))
    assert (effect.mean[1], effect.low[1], effect.high[1]) == (0, 0, 0)


def test_intervals_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(1)
    found = paired(generator.normal(2, 1, (20_000, 4)), generator.normal(0, 1, (20_000, 4)))
    covered = ((found.low < 2) & (found.high > 2)).mean()
    assert covered == pytest.approx(0.95, abs=0.005)


def test_without_scipy_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PoseplugError, match=r"needs 'scipy'.*pip install 'poseplug\[report\]'"):
        paired(np.ones(2), np.zeros(2))
