"""How fast maps become volumes, and volumes people. Run: pytest benchmarks/test_volumes.py.

The project asks for volumes at least five (roots) and three times (poses) as fast as VirtualPose's released code, and
for nothing that is slower. The released code is looked for where POSEPLUG_VIRTUALPOSE_CODE says; without it, nothing is
compared. POSEPLUG_THREADS says on how many threads (2).
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CODE = os.environ.get("POSEPLUG_VIRTUALPOSE_CODE", "")
THREADS, TURNS = os.environ.get("POSEPLUG_THREADS", "2"), 3
BARS = {"REN volume": 5, "PEN volume": 3, "V2V of REN": 1, "V2V of PEN": 1, "peaks": 1, "soft-argmax": 1}


def in_a_process(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": THREADS, "PYTHONPATH": ":".join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, HERE / "volume_rates.py", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout


def timed(*arguments):
    lines = (line.split(": ") for line in in_a_process(*arguments).splitlines())
    return {name: float(milliseconds) for name, milliseconds in lines}


def test_from_maps_to_people(benchmark):
    """Milliseconds of each part."""
    parts = []
    benchmark.pedantic(lambda: parts.append(timed("ours", THREADS)), rounds=TURNS)
    for name in BARS:
        benchmark.extra_info[f"{name}, ms"] = round(statistics.median(part[name] for part in parts), 1)


@pytest.mark.skipif(not CODE, reason="POSEPLUG_VIRTUALPOSE_CODE does not say where the released code is")
def test_beside_the_released_code(benchmark):
    """Both in turns, each in a process of its own, so that a busy machine slows both."""
    ratios = {name: [] for name in BARS}

    def both():
        released, own = timed("theirs", THREADS, CODE), timed("ours", THREADS)
        for name in BARS:
            ratios[name].append(released[name] / own[name])

    benchmark.pedantic(both, rounds=TURNS)
    for name, bar in BARS.items():
        ratio = statistics.median(ratios[name])
        benchmark.extra_info[f"{name}, times the released code"] = round(ratio, 1)
        assert ratio >= bar, name


def test_a_training_step_of_the_papers_size(benchmark):
    """A scene of four people, three cubes in memory at a time: seconds and GiB."""
    said = []
    benchmark.pedantic(lambda: said.append(in_a_process("step", "1", "3").split()), rounds=1)
    benchmark.extra_info["s"], benchmark.extra_info["GiB"] = (round(float(number), 1) for number in said[0])
