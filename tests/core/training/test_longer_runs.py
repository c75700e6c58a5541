"""Runs that are trained longer than they were to be: where learning rates and phases go on."""

import pytest
import torch
from small_runs import CPU, StopAt, assemble, everything, train, weights
from toys import TwoPartLifter

from poseplug.core.errors import Interrupted
from poseplug.core.hooks import HookSet
from poseplug.core.training.schedule import Phase, Training
from poseplug.core.training.trainer import Trainer

PLANE_THEN_DEPTH = (
    Phase(name="plane", share=0.3, trains=("lifter:plane",), lr=0.02, lr_schedule="onecycle"),
    Phase(name="depth", share=0.7, trains=("lifter:depth",), lr=0.01, optimiser="AdamW"),
)


def rates(trainer):
    """What the optimisers' schedules say for the next update: of onecycle the momentum too."""
    optimisers = [optimiser for role in trainer._roles.values() for optimiser in role.optimisers.values()]
    return [(group["lr"], tuple(group.get("betas", ()))) for one in optimisers for group in one.torch.param_groups]


def halted(assembly, steps, at, **settings):
    """A trainer of a run of so many steps, stopped at one of them."""
    phases = settings.pop("phases", ())
    trainer = Trainer(assembly, Training(steps=steps, batch_size=16, **settings), CPU, phases=phases)
    trainer.hooks = HookSet({"stop": StopAt(trainer, at)})
    with pytest.raises(Interrupted):
        trainer.run()
    return trainer


def test_a_run_at_a_constant_rate_that_is_trained_longer_is_the_longer_run(tmp_path):
    path, constant = tmp_path / "state.safetensors", {"lr_schedule": "constant"}
    whole = everything()
    trainer = train(whole, steps=20, **constant)
    train(everything(), path, steps=8, **constant)
    longer = everything(seed=9)
    again = train(longer, path, load=True, steps=20, **constant)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(longer).values(), strict=True))
    assert again.history.values == trainer.history.values


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "linear"])
def test_a_run_that_is_trained_longer_takes_the_place_of_that_step_in_the_longer_schedule(tmp_path, schedule):
    path, settings = tmp_path / "state.safetensors", {"lr_schedule": schedule, "batch_size": 16}
    train(everything(), path, steps=8, **settings)
    longer = Trainer(everything(), Training(steps=12, **settings), CPU, path)
    longer.load()
    assert rates(longer) == rates(halted(everything(), 12, 8, lr_schedule=schedule))
    longer.run()
    assert rates(longer) == rates(train(everything(), steps=12, **settings))
    path.unlink()
    train(everything(), path, steps=8, **settings)
    same = Trainer(everything(), Training(steps=8, **settings), CPU, path)
    same.load()
    assert same.step == 8
    assert rates(same) == rates(train(everything(), steps=8, **settings))


@pytest.mark.parametrize(("steps", "phase"), [(14, "depth"), (40, "plane")])
def test_shares_are_of_the_longer_run(tmp_path, steps, phase):
    path, made = tmp_path / "state.safetensors", {"lifter": TwoPartLifter}
    train(assemble(**made), path, phases=PLANE_THEN_DEPTH, steps=10)
    longer = Trainer(assemble(**made), Training(steps=steps, batch_size=16), CPU, path, phases=PLANE_THEN_DEPTH)
    longer.load()
    assert longer._schedule.at(longer.step).phase.name == phase
    assert rates(longer) == rates(halted(assemble(**made), steps, 10, phases=PLANE_THEN_DEPTH))
    longer.run()
