"""What re-weighting costs: fitting histograms once, weighing every step. Run: pytest benchmarks/test_weighting.py."""

import pytest
import torch

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_posegu.propensity import ClippedPropensity, ClippedPropensityConfig

BATCH = 1024


@pytest.fixture(scope="module")
def reference():
    return Builtin(BuiltinSettings(), BuildContext())


def fitted(reference, space):
    weigher = ClippedPropensity(ClippedPropensityConfig(space=space), BuildContext(skeleton=H36M_16))
    weigher.fit(reference, reference, torch.Generator().manual_seed(0))
    return weigher


@pytest.mark.parametrize("space", ["screen", "root_relative"])
def test_fit(benchmark, reference, space):
    benchmark.pedantic(lambda: fitted(reference, space), rounds=5, warmup_rounds=1)
    benchmark.extra_info["M poses/s"] = round(2 * len(reference) / benchmark.stats.stats.median / 1e6, 2)


@pytest.mark.parametrize("space", ["screen", "root_relative"])
@pytest.mark.parametrize("mode", ["paper", "per_sample"])
def test_weigh(benchmark, reference, space, mode):
    weigher = fitted(reference, space)
    weigher.config = ClippedPropensityConfig(space=space, mode=mode)
    generator = torch.Generator().manual_seed(1)
    drawn, real = reference.sample(BATCH, generator), reference.sample(BATCH, generator)
    weights = benchmark(weigher.weigh, drawn, real).reference
    assert weights.shape == (BATCH,)
    benchmark.extra_info["M poses/s"] = round(BATCH / benchmark.stats.stats.median / 1e6, 2)
