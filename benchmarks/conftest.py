"""What benchmarks share."""

import statistics
import time

import pytest


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
