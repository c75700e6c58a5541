"""What benchmarks share."""

import statistics
import time

import pytest
import torch


@pytest.fixture
def ratio_of(benchmark):
    """Times two ways of the same work in turns, in one process, so that a busy machine slows both."""

    def measure(first, second, rounds, warmup=2):
        """Return the median over rounds of the time of ``second`` over that of ``first``."""
        ratios = []

        def both():
            seconds = []
            for run in (first, second):
                began = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - began)
            ratios.append(seconds[1] / seconds[0])

        benchmark.pedantic(both, rounds=rounds, warmup_rounds=warmup)
        return statistics.median(ratios[warmup:])

    return measure


@pytest.fixture(scope="session")
def sgemm():
    """The rate of a 4096 x 4096 single-precision matrix product on this machine, GFLOP/s."""
    a, b, c = torch.randn(3, 4096, 4096)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b, out=c)
        seconds.append(time.perf_counter() - start)
    return 2 * 4096**3 / sorted(seconds[2:])[1] / 1e9
