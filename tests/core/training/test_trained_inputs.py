"""Inputs that are trained: gradients of their readers, their own losses, and when they stay as they are."""

import pytest
import torch
from scene_parts import AroundRoots, Backbone, Drawn, FlatPairs, Learning, MapFinder, MapLifter, Pairs
from small_runs import CPU, train, train_until, weights
from toys import STAR

from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Phase, Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer


def assembly(backbone=Learning, lifter=MapLifter, root=MapFinder, source=Pairs, seed=0, **parts):
    torch.manual_seed(seed)
    inputs = {**standard_inputs(), "backbone": backbone()}
    model = LiftingModel(lifter(), STAR, root() if root else None, inputs=inputs)
    return Assembly(source(), Supervised(), model, **parts)


def backbone_of(parts):
    return parts.model.inputs.providers["backbone"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_are_those_of_one_backward_pass_over_all_losses(precision):
    parts, plain = assembly(), assembly()
    train(parts, steps=1, optimiser="SGD", lr=1.0, lr_schedule="constant", clip_norm=0.0, precision=precision)
    before = weights(plain)
    batch = Pairs().sample(16, torch.Generator().manual_seed(0))
    model = plain.model.train()
    with model.inputs.shared():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            # What the backbone says is in full precision for all.
            with torch.autocast("cpu", enabled=False):
                maps = model.inputs.read(["maps"], batch)["maps"]
            lifted = model(batch).float()
        loss = (lifted - batch.root_relative).square().mean() + (maps - 0.3).square().mean()
        loss = loss + model.root.loss(model.estimate(batch), batch)["distance"]
    loss.backward()
    for name, parameter in plain.modules().named_parameters():
        moved = before[name] - weights(parts)[name]
        assert parameter.grad.abs().max() > 1e-4
        torch.testing.assert_close(moved, parameter.grad, atol=1e-6, rtol=1e-4 if precision == "fp32" else 2e-2)
    assert backbone_of(parts).made == 1
    assert torch.equal(backbone_of(parts).norm.running_mean, backbone_of(plain).norm.running_mean)


def test_an_input_that_is_made_of_a_trained_input_sends_gradients_on():
    class Second(Backbone):
        provides = "maps"
        reads = frozenset({"first"})

        def provide(self, batch, *, first):
            return first * self.layer.bias

        def loss(self, value, batch, *, first):
            return {"size": value.square().mean() + first.sum()}

    def build():
        torch.manual_seed(0)
        first = Backbone()
        first.provides = "first"
        inputs = {**standard_inputs(), "one": first, "two": Second()}
        return Assembly(Pairs(), Supervised(), LiftingModel(MapLifter(), STAR, inputs=inputs))

    parts, plain = build(), build()
    train(parts, steps=1, optimiser="SGD", lr=1.0, lr_schedule="constant", clip_norm=0.0)
    before, batch = weights(plain), Pairs().sample(16, torch.Generator().manual_seed(0))
    one, two = (plain.model.inputs.providers[name] for name in ("one", "two"))
    first = one.provide(batch)
    maps = two.provide(batch, first=first)
    loss = (plain.model.lifter(None, maps=maps, scene=batch.scene) - batch.root_relative).square().mean()
    (loss + two.loss(maps, batch, first=first)["size"]).backward()
    for part in ("one.layer.weight", "two.layer.bias"):
        name = f"model.inputs.networks.{part}"
        gradient = plain.modules().get_parameter(name).grad
        torch.testing.assert_close(before[name] - weights(parts)[name], gradient, atol=1e-5, rtol=1e-4)


def test_what_a_phase_does_not_train_is_frozen_while_others_read_it():
    phases = [
        Phase(name="all", share=0.5, trains=("lifter", "input:backbone")),
        Phase(name="readers", share=0.5, trains=("lifter", "root")),
    ]
    states = []

    class Watched(Learning):
        def provide(self, batch, **inputs):
            states.append((self.training, self.layer.weight.requires_grad))
            return super().provide(batch, **inputs)

    parts = assembly(Watched)
    trainer = train(parts, steps=8, phases=phases)
    assert states == [(True, True)] * 4 + [(False, False)] * 4
    assert backbone_of(parts).begun == [frozenset({"all"})]
    assert int(backbone_of(parts).norm.num_batches_tracked) == 4
    assert max(trainer.history.values["input/backbone/pull"]) == 4
    history = trainer.history.values
    assert set(history) == {"supervised", "root/distance", "input/backbone/pull", "input/backbone/weight", "people"}
    # Steps are looked at in fours; a frozen input has nothing to tell.
    assert list(history["root/distance"]) == [8]


def test_a_run_may_train_an_input_alone_without_3d():
    parts = assembly(source=FlatPairs, lifter=AroundRoots)
    before = weights(parts)
    trainer = train(parts, steps=60, lr=0.1, phases=[Phase(name="alone", share=1.0, trains=("input",))])
    after = weights(parts)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("model.inputs.networks.backbone.") for name in changed)
    values = list(trainer.history.values["input/backbone/pull"].values())
    assert values[-1] < 0.01 * values[0]


def test_rates_and_phases_are_those_of_other_roles():
    class Slow(Learning):
        learning_rate = 0.5
        update_every = 2

    parts = assembly(Slow)
    trainer = Trainer(parts, Training(steps=4, batch_size=8, lr=0.1, lr_schedule="constant"), CPU)
    role = trainer._roles["input"]
    assert role.optimisers["run"].torch.param_groups[0]["lr"] == 0.5
    trainer.run()
    assert int(backbone_of(parts).norm.num_batches_tracked) == 2


def test_a_resumed_run_ends_like_one_that_never_stopped(tmp_path):
    def build(seed=0):
        torch.manual_seed(seed)
        inputs = {**standard_inputs(), "drawn": Drawn(), "backbone": Learning()}
        second = Learning()
        second.provides = "other"
        model = LiftingModel(AroundRoots(), STAR, MapFinder(), inputs={**inputs, "other": second})
        return Assembly(Pairs(), Supervised(), model)

    phases = [
        Phase(name="a", steps=3, trains=("lifter", "root")),
        Phase(name="b", steps=3, trains=("lifter", "input:other")),
    ]
    whole, path = build(), tmp_path / "state.safetensors"
    trainer = train(whole, phases=phases)
    train_until(4, build(), trainer.training, path, phases)
    resumed = build(seed=9)
    again = train(resumed, path, load=True, phases=phases)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    assert again.history.values == trainer.history.values
    assert again.people == trainer.people == 12 * 16 * 2
