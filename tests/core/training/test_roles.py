"""Which parameters an update changes, when, at what rate."""

import pytest
import torch
from small_runs import CPU, assemble, train, train_until, weights
from torch import nn
from toys import MeanRoot, PartObjective, StarSource, TwoPartLifter

from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.training.roles import clip_each
from poseplug.core.training.schedule import Phase, Training
from poseplug.core.training.trainer import Trainer

PLANE_THEN_DEPTH = (
    Phase(name="plane", share=0.3, trains=("lifter:plane",), lr=0.02, lr_schedule="onecycle"),
    Phase(name="depth", share=0.7, trains=("lifter:depth",), lr=0.01, optimiser="AdamW"),
)


@pytest.mark.parametrize("stop_at", [2, 3, 4])
def test_phases_train_their_groups_with_rates_of_their_own_and_resume_across_the_boundary(tmp_path, stop_at):
    settings = Training(steps=10, batch_size=16)
    whole = assemble(lifter=TwoPartLifter)
    start, recorded = weights(whole), {}

    class Record(RunHook):
        def on_step(self, step, losses):
            recorded[step] = weights(whole)

    Trainer(whole, settings, CPU, hooks=HookSet({"record": Record()}), phases=PLANE_THEN_DEPTH).run()
    flat, depth, mean = "model.lifter.flat.weight", "model.lifter.depth.weight", "model.lifter.norm.running_mean"
    assert torch.equal(recorded[3][depth], start[depth])
    assert not torch.equal(recorded[3][flat], start[flat])
    assert torch.equal(recorded[10][flat], recorded[3][flat])
    assert torch.equal(recorded[10][mean], recorded[3][mean])  # what is not trained keeps its statistics
    assert not torch.equal(recorded[10][depth], start[depth])
    assert whole.model.lifter.begun == [frozenset({"plane"}), frozenset({"depth"})]

    path = tmp_path / "state.safetensors"
    train_until(stop_at, assemble(lifter=TwoPartLifter), settings, path, PLANE_THEN_DEPTH)
    resumed = assemble(lifter=TwoPartLifter, seed=5)
    train(resumed, path, load=True, phases=PLANE_THEN_DEPTH, steps=10, log_every=20)
    assert all(torch.equal(weights(resumed)[name], tensor) for name, tensor in weights(whole).items())


def test_a_phase_that_names_an_unknown_group_is_refused():
    phase = Phase(name="arms", steps=5, trains=("lifter:arms",))
    with pytest.raises(PoseplugError, match="Phase 'arms' trains 'lifter:arms', and .* groups are plane, depth"):
        train(assemble(lifter=TwoPartLifter), phases=[phase])


def test_grouped_losses_train_their_own_part_only():
    assembly = assemble(objective=PartObjective())
    train(assembly, steps=300, lr=0.03, lr_schedule="constant")
    lifted = assembly.model(StarSource().sample(256, torch.Generator().manual_seed(5)))
    assert lifted[..., :2].abs().mean() < 0.1  # pulled to 0
    assert (lifted[..., 2] - 1).abs().mean() < 0.1  # pulled to 1


def test_each_role_is_updated_as_often_as_it_says_and_its_rate_ends_with_its_updates():
    assembly = assemble(root=MeanRoot())
    assembly.model.lifter.update_every = 3
    trainer = train(assembly, steps=10, lr=0.01, lr_schedule="onecycle")
    optimisers = {name: role.optimisers["run"] for name, role in trainer._roles.items()}
    assert {name: optimiser.scheduler.last_epoch for name, optimiser in optimisers.items()} == {"lifter": 4, "root": 10}
    assert {name: optimiser.scheduler.total_steps for name, optimiser in optimisers.items()} == {
        "lifter": 5,
        "root": 11,
    }


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "NAdam", "AdamW", "Adagrad"])
def test_other_optimisers_train_and_resume(tmp_path, name):
    settings = {"optimiser": name, "lr": 0.01, "weight_decay": 0.1}
    whole = assemble()
    train(whole, **settings)
    train_until(5, assemble(), Training(steps=12, batch_size=16, **settings), tmp_path / "state")
    resumed = assemble(seed=4)
    train(resumed, tmp_path / "state", load=True, **settings)
    assert all(torch.equal(weights(resumed)[key], tensor) for key, tensor in weights(whole).items())


@pytest.mark.parametrize("name", ["LBFGS", "adam", "Optimizer"])
def test_an_optimiser_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=f"must be an optimiser of torch.optim .* got '{name}'"):
        Training(optimiser=name)


def test_gradients_are_cut_for_each_replica():
    stacked = [nn.Parameter(torch.zeros(3, 4, 2)), nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3, 7))]
    for parameter in stacked[:2]:
        parameter.grad = torch.randn_like(parameter) * torch.tensor([0.01, 1.0, 9.0]).view(
            3, *[1] * (parameter.ndim - 1)
        )
    expected = []
    for i in range(3):
        alone = [nn.Parameter(torch.zeros_like(p[i])) for p in stacked[:2]]
        for parameter, whole in zip(alone, stacked, strict=False):
            parameter.grad = whole.grad[i].clone()
        nn.utils.clip_grad_norm_(alone, 0.5)
        expected.append([p.grad for p in alone])
    clip_each(stacked, 0.5)
    for i, gradients in enumerate(expected):
        for parameter, gradient in zip(stacked, gradients, strict=False):
            torch.testing.assert_close(parameter.grad[i], gradient)
    assert expected[0][0].norm() < 0.49  # small gradients are left alone
