"""The engine beside a plain PyTorch loop: same model, same tensors, one run; and discovery with many plugins."""

import pytest
import torch
from torch.nn.functional import mse_loss

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.viewpoints import ViewRange
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import load_catalogue

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


def engine_loop(model, source, steps, hooks=None, batch=BATCH):
    assembly = Assembly(source, Supervised(), LiftingModel(model, H36M_16))
    settings = {"batch_size": batch, "lr_schedule": "constant", "checkpoint_every": 10**6}
    trainer = Trainer(assembly, Training(steps=10**6, **settings), torch.device("cpu"), hooks=HookSet(hooks))

    def run():
        trainer.training = Training(steps=trainer.step + steps, **settings)
        trainer.run()

    return run


@pytest.mark.parametrize("lifter", ["mlp:channels=512", "semgcn"])
def test_engine_overhead(benchmark, ratio_of, lifter):
    source = table()
    engine = engine_loop(make(lifter), source, STEPS)
    plain = plain_loop(make(lifter), source.poses, STEPS)
    ratio = ratio_of(plain, engine, ROUNDS)
    benchmark.extra_info["engine over plain loop"] = round(ratio, 3)
    assert ratio < 1.15


def test_hooks_that_are_not_used(benchmark, ratio_of):
    """Hooks that override nothing, in a step so small that anything would show."""
    source = table()
    lifter = "mlp:channels=8,blocks=1"
    without = engine_loop(make(lifter), source, 300, batch=8)
    idle = engine_loop(make(lifter), source, 300, {"one": RunHook(), "two": RunHook()}, batch=8)
    ratio = ratio_of(without, idle, 15)
    benchmark.extra_info["with idle hooks over without"] = round(ratio, 3)
    assert ratio < 1.05
