"""The engine beside a plain PyTorch loop: same model, same tensors, one run; and discovery with many plugins."""

import statistics
import time

import pytest
import torch
from torch.nn.functional import mse_loss

from poseplug.core.assembly import Assembly
from poseplug.core.batch import PoseBatch
from poseplug.core.engine import Trainer, Training
from poseplug.core.interfaces import BuildContext
from poseplug.core.layouts import H36M_16
from poseplug.core.model import LiftingModel
from poseplug.core.normalise import screen_coordinates
from poseplug.core.objective import Supervised, SupervisedConfig
from poseplug.core.sources import PoseTable
from poseplug.core.viewpoints import ViewRange
from poseplug.registry.build import construct, find_part
from poseplug.registry.catalogue import load_catalogue
from poseplug.registry.specs import parse_spec

BATCH, ROUNDS, STEPS = 512, 10, 10
CONTEXT = BuildContext(skeleton=H36M_16)


def table(n=20_000):
    generator = torch.Generator().manual_seed(0)
    camera = ViewRange().sample(n, generator)
    world = torch.randn(n, 16, 3, generator=generator) * 0.3 + torch.tensor([0.0, 0.9, 0.0])
    return PoseTable(PoseBatch.seen(H36M_16, camera.world_to_camera(world), camera))


def make(lifter):
    torch.manual_seed(0)
    return construct(find_part(load_catalogue(), "lifter", parse_spec(lifter)), CONTEXT).train()


def plain_loop(model, poses, steps):
    """The loop that a researcher writes: index, forward, loss, backward, clip, step."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    inputs = screen_coordinates(poses.joints_2d, poses.camera.size)
    targets = poses.root_relative
    generator = torch.Generator().manual_seed(0)

    def run():
        for _ in range(steps):
            index = torch.randint(len(inputs), (BATCH,), generator=generator)
            optimiser.zero_grad()
            loss = mse_loss(model(inputs[index]), targets[index])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()

    return run


def engine_loop(model, source, steps):
    assembly = Assembly(source, Supervised(SupervisedConfig(), CONTEXT), LiftingModel(model, H36M_16))
    training = Training(steps=10**6, batch_size=BATCH, lr_schedule="constant", log_every=20)
    trainer = Trainer(assembly, training, torch.device("cpu"))

    def run():
        trainer.training = Training(
            steps=trainer.step + steps, batch_size=BATCH, lr_schedule="constant", checkpoint_every=10**6
        )
        trainer.run()

    return run


@pytest.mark.parametrize("lifter", ["mlp:channels=512", "semgcn"])
def test_engine_overhead(benchmark, lifter):
    source = table()
    engine = engine_loop(make(lifter), source, STEPS)
    plain = plain_loop(make(lifter), source.poses, STEPS)
    ratios = []

    def both():
        seconds = []
        for run in (plain, engine):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        ratios.append(seconds[1] / seconds[0])

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=2)
    ratio = statistics.median(ratios[2:])
    benchmark.extra_info["engine over plain loop"] = round(ratio, 3)
    assert ratio < 1.15
