"""How fast the lifters infer and train, beside the authors' code on the same kind of machine.

Run with ``pytest benchmarks/test_lifters.py --benchmark-only``. The authors' figures are medians on a quiet 2-core
machine with two threads, where a 4096 x 4096 sgemm ran at 224.5 GFLOP/s; the sgemm measured in this run is stored
beside each figure, so that a ratio can be corrected for the machine. On two shared cores one other busy process can
slow PyTorch tenfold: before each measurement the test waits a little for quiet, and it records what was seen.
"""

import os
import time
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_baselines.mlp import MLP
from poseplug_baselines.semgcn import SemGCN
from poseplug_baselines.stgcn import STGCN
from poseplug_baselines.videopose import VideoPose

LIFTERS = {"mlp": MLP, "videopose": VideoPose, "semgcn": SemGCN, "stgcn": STGCN}
BATCH = 1024
SGEMM_GFLOPS = 224.5
# Milliseconds of the authors' code, default malloc, two threads.
INFERENCE = {"mlp": 41.5, "videopose": 115.3, "semgcn": 223.0, "stgcn": 582.0}
SINGLE = {"mlp": 0.42, "videopose": 1.72, "semgcn": 1.02, "stgcn": 2.57}
TRAINING = {"mlp": 172.2, "videopose": 554.0, "semgcn": 345.0, "stgcn": 1118.0}


def foreign_load(seconds):
    """Return the share of the machine that other processes use, or None where the system does not tell."""

    def busy():
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return sum(fields[:8]) - fields[3] - fields[4], sum(fields[:8])

    try:
        before, own = busy(), time.process_time()
        time.sleep(seconds)
        after = busy()
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return (after[0] - before[0] - (time.process_time() - own) * ticks) / max(1, after[1] - before[1])


@pytest.fixture(autouse=True)
def quiet(benchmark):
    """Waits up to ten seconds for a quiet machine, and says how quiet it was."""
    if not benchmark.enabled:
        return
    for _ in range(10):
        load = foreign_load(1.0)
        if load is None or load < 0.1:
            break
    benchmark.extra_info["foreign_load"] = load
    benchmark.extra_info["threads"] = torch.get_num_threads()


def lifter(name):
    torch.manual_seed(0)
    cls = LIFTERS[name]
    return cls(cls.Config(), BuildContext(skeleton=H36M_16))


def report(benchmark, authors_ms, sgemm):
    """Store the authors' figure, the ratio, and the ratio as it would be on the authors' machine."""
    if benchmark.stats is None:  # --benchmark-disable
        return
    ratio = authors_ms / (benchmark.stats.stats.median * 1e3)
    benchmark.extra_info |= {
        "authors_ms": authors_ms,
        "times_as_fast": round(ratio, 2),
        "sgemm_gflops": round(sgemm, 1),
        "times_as_fast_corrected": round(ratio * SGEMM_GFLOPS / sgemm, 2),
    }


@pytest.mark.parametrize("name", LIFTERS)
@pytest.mark.parametrize(("batch", "authors"), [(BATCH, INFERENCE), (1, SINGLE)], ids=["batch1024", "batch1"])
def test_inference(benchmark, sgemm, name, batch, authors):
    model = lifter(name).eval()
    x = torch.rand(batch, 16, 2) - 0.5
    with torch.no_grad():
        benchmark.pedantic(model, args=(x,), rounds=200 if batch == 1 else 15, warmup_rounds=5)
    report(benchmark, authors[name], sgemm)


@pytest.mark.parametrize("name", LIFTERS)
def test_training_step(benchmark, sgemm, name):
    model = lifter(name).train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.rand(BATCH, 16, 2) - 0.5, torch.randn(BATCH, 16, 3) * 0.3

    def step():
        optimizer.zero_grad()
        functional.mse_loss(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    benchmark.pedantic(step, rounds=8, warmup_rounds=3)
    report(benchmark, TRAINING[name], sgemm)
