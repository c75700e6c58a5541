"""How fast poses evolve. Run: pytest benchmarks/test_evolution.py.

The project asks for a thousand times the rate of EvoSkeleton's released code on two cores, and for 8 million poses. The
released code is looked for where POSEPLUG_EVOSKELETON_CODE says; without it, nothing is compared.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CODE = os.environ.get("POSEPLUG_EVOSKELETON_CODE", "")
EIGHT_MILLION = int(os.environ.get("POSEPLUG_EVOLVED_POSES", "8000000"))
BAR, THREADS, TURNS = 1000, 2, 3


def in_a_process(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "PYTHONPATH": ":".join(filter(None, sys.path))}
    said = subprocess.run(
        [sys.executable, HERE / "evolution_rates.py", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return [float(number) for number in said.stdout.split()]


def test_a_generation(benchmark):
    """Crossover, mutation, validity and bodies of 40,000 candidates at a time, on two threads."""
    rates = []
    benchmark.pedantic(lambda: rates.extend(in_a_process("ours", str(THREADS))), rounds=TURNS)
    benchmark.extra_info["M candidates/s"] = round(statistics.median(rates) / 1e6, 2)


@pytest.mark.skipif(not CODE, reason="POSEPLUG_EVOSKELETON_CODE does not say where the released code is")
def test_beside_the_released_code(benchmark):
    """Both in turns, each in a process of its own, so that a busy machine slows both."""
    ratios, rates = [], []

    def both():
        theirs, ours = in_a_process("theirs", CODE)[0], in_a_process("ours", str(THREADS))[0]
        ratios.append(ours / theirs)
        rates.append(theirs)

    benchmark.pedantic(both, rounds=TURNS)
    benchmark.extra_info["times the released code"] = round(statistics.median(ratios))
    benchmark.extra_info["of the bar"] = round(statistics.median(ratios) / BAR, 2)
    benchmark.extra_info["their candidates/s"] = round(statistics.median(rates))


def test_eight_million_poses(benchmark, tmp_path):
    """Evolved from 1.6 million, written to shards, and read again: seconds, and the most memory it took."""
    facts = []
    benchmark.pedantic(
        lambda: facts.extend(in_a_process("many", str(tmp_path / "poses"), str(EIGHT_MILLION))), rounds=1
    )
    evolving, writing, reading, memory, size = facts
    benchmark.extra_info["s in memory"] = round(evolving, 1)
    benchmark.extra_info["s with shards"] = round(writing, 1)
    benchmark.extra_info["s to read all"] = round(reading, 1)
    benchmark.extra_info["GiB of memory"] = round(memory, 2)
    benchmark.extra_info["GB of shards"] = round(size, 2)
    assert memory < 24
