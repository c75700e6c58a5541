"""Five seeds as one stack beside the same five runs one after the other, in turns, in one process.

Run with ``pytest benchmarks/test_stack.py --benchmark-only``. Both go through the engine, so that all that a step
costs is counted: drawing, losses, clipping, Adam. On the CPU the gain is largest for narrow lifters and small batches;
where one step keeps the cores busy, a stack is about as fast as its runs alone.
"""

import attrs
import pytest
import torch

from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan

SEEDS, STEPS, ROUNDS = 5, 4, 6
MLP = {"lifter": {"name": "mlp"}, "objective": {"name": "supervised"}}
PAPER = {
    "lifter": {"name": "full2d"},
    "objective": {"name": "reprojection"},
    "discriminator": [{"name": "pose2d_residual"}],
}
# Name: document, channels, poses a step, how much of the time alone a stack may take at most.
CASES = {
    "mlp-16": (MLP, 16, 256, 0.7),
    "mlp-64": (MLP, 64, 256, 0.9),
    "mlp-128": (MLP, 128, 512, 1.1),
    "mlp-1024": (MLP, 1024, 256, 1.1),
    "mlp-256-large-batch": (MLP, 256, 4096, 1.1),
    "full2d-64": (PAPER, 64, 256, 1.1),
    "full2d-256": (PAPER, 256, 512, 1.1),
}


def trainer(document, seeds):
    settings = {"seeds": seeds, "steps": 10**6, "checkpoint_every": 10**6, "lr_schedule": "constant"}
    plan = make_plan({**document, **settings}, load_catalogue())
    run = build(plan, load_catalogue(), torch.device("cpu"))
    return Trainer(run.assembly, run.training, torch.device("cpu"))


def going_on(trainers):
    def run():
        for one in trainers:
            one.training = attrs.evolve(one.training, steps=one.step + STEPS)
            one.run()

    return run


@pytest.mark.parametrize("case", CASES)
def test_stack(benchmark, ratio_of, case):
    document, channels, batch, bound = CASES[case]
    lifter = {**document["lifter"], "channels": channels}
    source = [{"name": "builtin"}]
    document = {"source": source, **document, "lifter": lifter, "batch_size": batch}
    if "discriminator" in document:
        document["discriminator"] = [{**document["discriminator"][0], "channels": channels}]
    alone = going_on([trainer({**document, "seed": seed}, 1) for seed in range(SEEDS)])
    stack = going_on([trainer(document, SEEDS)])
    ratio = ratio_of(alone, stack, ROUNDS, warmup=1)
    benchmark.extra_info["stack over runs alone"] = round(ratio, 3)
    assert ratio < bound
