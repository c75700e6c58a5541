"""How fast fk_generator makes poses, projection included. Run: pytest benchmarks/test_generation.py.

The project asks for 3 million 16-joint poses a second in batches of 65,536 on 2 CPU cores. The copying speed of memory
is measured in the same run, to say how far the output alone would be from that limit.
"""

import statistics
import time

import pytest
import torch

from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_posegu.fk_generator import FKGenerator, FKGeneratorConfig
from poseplug_posegu.joint_angles import READINGS

BATCH = 65_536
BAR = 3e6


@pytest.fixture(scope="module")
def reference():
    return Builtin(BuiltinSettings(), BuildContext())


def bandwidth():
    """Bytes read and written in a second when 256 MiB are copied."""
    source = torch.ones(1 << 26)
    target = torch.empty_like(source).copy_(source)

    def seconds():
        start = time.perf_counter()
        target.copy_(source)
        return time.perf_counter() - start

    return 2 * source.nbytes / statistics.median(seconds() for _ in range(5))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("size", [1024, BATCH])
def test_generate(benchmark, reference, reading, size):
    source = FKGenerator(FKGeneratorConfig(reading=reading), BuildContext(reference=reference))
    generator = torch.Generator().manual_seed(0)
    batch = benchmark(source.sample, size, generator)
    rate = size / benchmark.stats.stats.median
    # Joints in 3D and 2D only; the rows of the camera come on top.
    written = 4 * 16 * (3 + 2)
    benchmark.extra_info["M poses/s"] = round(rate / 1e6, 2)
    benchmark.extra_info["of the bar"] = round(rate / BAR, 2)
    benchmark.extra_info["of copying"] = round(2 * written * rate / bandwidth(), 3)
    assert batch.joints_2d.isfinite().all()


def test_make_the_generator(benchmark, reference):
    """Seeds, inverse kinematics, ranges and views: once per run."""
    context = BuildContext(reference=reference)
    benchmark.pedantic(lambda: FKGenerator(FKGeneratorConfig(), context), rounds=3, warmup_rounds=1)
