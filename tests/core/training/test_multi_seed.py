"""Each replica of a stack is what it would have become alone."""

import copy
import itertools

import attrs
import pytest
import torch
from torch import nn
from toys import (
    CONTEXT,
    STAR,
    CriticObjective,
    LinearConfig,
    LinearLifter,
    PartObjective,
    ScalingAugmentor,
    SignHead,
    SizeDiscriminator,
    StarSource,
    star_batch,
)

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Lifter, Objective
from poseplug.core.models.dense import Dense, Norm
from poseplug.core.models.dropout import dropout
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training import stacked_modules as replicas
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.multi_seed import dealt, gathered, models_of, replica_of, side_by_side
from poseplug.core.training.stacked_modules import Stack
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer, Training

SEEDS = (3, 4, 5)
CPU = torch.device("cpu")


@pytest.fixture(params=["together", "in turn"])
def manner(request, monkeypatch):
    """Both ways to compute a stack, whatever its size."""
    monkeypatch.setattr(replicas, "_SMALL", float("inf") if request.param == "together" else -1)
    return request.param


class RepeatingSource(StarSource):
    """Gives the same batches whatever is drawn: ``replicas`` poses in a row are alike."""

    def __init__(self, replicas=1, first=0):
        self.replicas = replicas
        self.calls = first

    def sample(self, n, generator):
        self.calls += 1
        batch = star_batch(n // self.replicas, torch.Generator().manual_seed(self.calls))
        return batch.select(torch.arange(n) // self.replicas)


class DeepLifter(Lifter):
    """The blocks that fast lifters are made of: two layers with normalisation and dropout, and tied weights."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        self.enter = Dense(10, 24, bias=False)  # its gradient would be rounding errors, which Adam makes large
        self.norm = Norm(24)
        self.inner = Dense(24, 24)
        self.again = self.inner
        self.leave = Dense(24, 15)
        self.leave.bias.requires_grad_(False)

    def forward(self, joints_2d, **inputs):
        x = dropout(self.norm(self.enter(joints_2d.flatten(1)), relu=True), self.dropout, self.training)
        return self.leave(self.again(self.inner(x).relu())).unflatten(1, (5, 3))


class StubbornLifter(LinearLifter):
    """Looks at its values, which vmap cannot."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d) * (1.0 if joints_2d.sum().item() > -1e9 else 0.0)


class RememberingDiscriminator(SizeDiscriminator):
    """Judges fakes together with the last ones, which it keeps in a new tensor each time."""

    def __init__(self, config=None, context=CONTEXT):
        super().__init__()
        self.register_buffer("last", torch.zeros(5, 3))

    def remember(self, fake, generator):
        moved = fake.moved(fake.absolute + 0.1 * self.last)
        self.last = fake.root_relative[0].detach() + 0.0
        return moved

    def logs(self):
        return {"last": self.last.norm()}


class MixedObjective(Objective):
    """Fakes to judge, a loss of its own for each part, and one for all."""

    needs_discriminator = True

    def __init__(self):
        nn.Module.__init__(self)

    def loss(self, step):
        lifted = step.lift(step.poses)
        made = step.poses.moved(lifted + step.poses.root[:, None])
        parts = {"flat": lifted[..., :2].square().mean(), "depth": (lifted[..., 2] - 1).square().mean()}
        return {"own": parts, **step.adversarial_loss("final", made)}


def assembly_of(seed, lifter=LinearLifter, objective=None, discriminators=(), source=None, reference=None):
    torch.manual_seed(seed)
    model = LiftingModel(lifter(), STAR)
    return Assembly(
        source or RepeatingSource(),
        objective or Supervised(),
        model,
        reference=reference,
        discriminators={f"d{i}": d() for i, d in enumerate(discriminators)},
    )


def train(assembly, seed=0, steps=40, checkpoint=None, **settings):
    settings = {"batch_size": 32, "lr": 0.03, "clip_norm": 0.2, "log_every": 5, **settings}
    trainer = Trainer(assembly, Training(steps=steps, seed=seed, **settings), CPU, checkpoint)
    trainer.run()
    return trainer


def assert_alike(one, other, tolerance=2e-5):
    one, other = one.state_dict(), other.state_dict()
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(
            tensor, other[name], rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n} {m}"
        )


class DrawingObjective(Objective):
    """Draws a number for all of its batch and one for each pose, and notes the first."""

    def __init__(self):
        nn.Module.__init__(self)
        self.register_buffer("drawn", torch.zeros(1))

    def loss(self, step):
        poses = step.poses
        factor = torch.rand(1, generator=step.generator)
        self.drawn.copy_(factor)
        moved = torch.rand(len(poses), 1, 1, generator=step.generator) + factor
        return {"own": (step.lift(poses) * moved).square().mean()}


CASES = {
    "supervised": {},
    "deep": {"lifter": DeepLifter},
    "parts": {"objective": PartObjective()},
    "critic": {"objective": CriticObjective(), "discriminators": (SizeDiscriminator, RememberingDiscriminator)},
    "mixed": {"objective": MixedObjective(), "discriminators": (RememberingDiscriminator,)},
    "stubborn": {"lifter": StubbornLifter},
}


@pytest.mark.parametrize("case", CASES)
def test_a_replica_is_what_it_would_be_alone(manner, case):
    together = side_by_side([assembly_of(seed, **CASES[case]) for seed in SEEDS])
    before = copy.deepcopy(models_of(together)[0].lifter.state_dict())
    trainer = train(attrs.evolve(together, source=RepeatingSource(len(SEEDS))))
    losses = []
    for index, seed in enumerate(SEEDS):
        alone = assembly_of(seed, **CASES[case])
        losses.append(train(alone, seed).history.values)
        replica = replica_of(together, index)
        assert_alike(replica.model, alone.model)
        for name, discriminator in alone.discriminators.items():
            assert_alike(replica.discriminators[name], discriminator)
    assert trainer.history.values.keys() == losses[0].keys()
    for name, series in trainer.history.values.items():
        means = [sum(loss[name][step] for loss in losses) / len(SEEDS) for step in series]
        assert list(series.values()) == pytest.approx(means, rel=1e-4, abs=1e-5)
    assert {name for name in losses[0] if not name.startswith("discriminator")} == trainer.history.by_seed.keys()
    for name, series in trainer.history.by_seed.items():
        for index, loss in enumerate(losses):
            own = [values[index] for values in series.values()]
            assert own == pytest.approx(list(loss[name].values()), rel=1e-3, abs=1e-5)
    weights = [replica.lifter.state_dict() for replica in models_of(together)]
    trained = [name for name in before if name.endswith("weight") and not name.startswith("norm")]
    assert all(not torch.allclose(a[n], b[n]) for a, b in itertools.combinations(weights, 2) for n in trained)
    assert all(not torch.allclose(before[n], weights[0][n]) for n in trained)


def test_what_an_objective_draws_for_its_batch_is_drawn_for_each_seed(manner):
    together = side_by_side([assembly_of(seed, objective=DrawingObjective()) for seed in SEEDS])
    train(together, steps=2, log_every=1)
    drawn = {float(replica_of(together, index).objective.drawn) for index in range(len(SEEDS))}
    assert len(drawn) == len(SEEDS)


def test_what_vmap_cannot_run_is_computed_in_turn(monkeypatch):
    monkeypatch.setattr(replicas, "_SMALL", float("inf"))
    lifters = {cls: Stack.of([cls() for _ in SEEDS]).train() for cls in (LinearLifter, StubbornLifter)}
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    for lifter in lifters.values():
        lifter(torch.randn(30, 5, 2, generator=torch.Generator().manual_seed(1)))
    assert [lifter._vectorises for lifter in lifters.values()] == [{True: True}, {True: False}]
    torch.testing.assert_close(torch.rand(3), expected)
    for lifter in lifters.values():  # the attempt left no trace in the statistics
        assert lifter.template.norm.num_batches_tracked.tolist() == [1, 1, 1]


@pytest.mark.parametrize("passes", ["joint", "separate"])
def test_joined_batches_stay_with_their_replica(manner, passes):
    def weighed(seed):
        assembly = assembly_of(seed, reference=RepeatingSource(1, 1000))
        return attrs.evolve(assembly, reference_weight=0.5)

    seeds = [weighed(seed) for seed in SEEDS]
    together = side_by_side(seeds)
    sources = {"source": RepeatingSource(len(SEEDS)), "reference": RepeatingSource(len(SEEDS), 1000)}
    train(attrs.evolve(together, **sources), passes=passes)
    for index, seed in enumerate(SEEDS):
        alone = weighed(seed)
        train(alone, seed, passes=passes)
        assert_alike(models_of(together)[index], alone.model)


def test_every_replica_sees_every_source_of_a_mixture():
    near, far = StarSource(), RepeatingSource()
    batch = Mixture([near, far]).sample(600, torch.Generator().manual_seed(0))
    from_near = torch.arange(600) < 300
    assert {int(share[:].sum()) for share in (from_near[i::3] for i in range(3))} == {100}
    assert [len(own) for own in dealt(batch, 3)] == [200, 200, 200]


def test_dealt_poses_come_together_in_their_order():
    batch = star_batch(12, torch.Generator().manual_seed(0))
    again = gathered(list(dealt(batch, 3)))
    torch.testing.assert_close(again.joints_3d, batch.joints_3d)
    torch.testing.assert_close(next(iter(dealt(batch, 3))).joints_2d, batch.joints_2d[[0, 3, 6, 9]])


@pytest.mark.parametrize("lifter", [DeepLifter(0.5), LinearLifter(LinearConfig(dropout=0.5))])
def test_replicas_drop_different_units(manner, lifter):
    lifters = Stack.of([copy.deepcopy(lifter) for _ in SEEDS])
    x = torch.randn(40, 5, 2).repeat_interleave(len(SEEDS), 0)
    outputs = lifters.train()(x).unflatten(0, (-1, len(SEEDS))).unbind(1)
    assert all(not torch.allclose(a, b) for a, b in itertools.combinations(outputs, 2))
    outputs = lifters.eval()(x).unflatten(0, (-1, len(SEEDS))).unbind(1)
    torch.testing.assert_close(outputs[0], outputs[1])


def test_a_resumed_stack_goes_on_bit_for_bit(manner, tmp_path):
    def make():
        seeds = [
            assembly_of(
                seed,
                lifter=lambda: DeepLifter(0.3),
                objective=CriticObjective(),
                discriminators=(RememberingDiscriminator,),
                source=StarSource(),
            )
            for seed in SEEDS
        ]
        return side_by_side(seeds)

    whole = make()
    history = train(whole, steps=20, checkpoint=tmp_path / "whole").history
    first = make()
    begun = Trainer(
        first, Training(steps=20, batch_size=32, lr=0.03, clip_norm=0.2, log_every=5), CPU, tmp_path / "half"
    )
    begun.hooks.call = lambda event, *_: setattr(begun, "stop_requested", begun.step >= 10) or []
    with pytest.raises(PoseplugError, match="Stopped at step 10"):
        begun.run()
    torch.manual_seed(99)
    second = make()
    resumed = Trainer(second, begun.training, CPU, tmp_path / "half")
    resumed.load()
    resumed.run()
    assert resumed.history.values == history.values
    assert resumed.history.by_seed == history.by_seed
    for index in range(len(SEEDS)):
        assert_alike(replica_of(second, index).modules(), replica_of(whole, index).modules(), 0)


def test_replicas_follow_the_stack():
    lifters = Stack.of([LinearLifter() for _ in SEEDS])
    with torch.no_grad():
        lifters.template.depth.bias += torch.tensor([1.0, 2.0, 3.0])[:, None]
        lifters.template.norm.running_mean += 5
    lifters.load_state_dict({name: tensor + 1 for name, tensor in lifters.state_dict().items()})
    x = torch.randn(30, 5, 2)
    whole = lifters.eval()(x)
    for index, replica in enumerate(lifters.members):
        torch.testing.assert_close(whole[index::3], replica.eval()(x[index::3]))
        assert not any(p.requires_grad for p in replica.parameters())


def test_each_seed_has_the_sign_of_its_own_depth():
    class Slope(Lifter):
        normalisation = Normalisation.MAX_NORM

        def __init__(self, sign):
            super().__init__()
            self.sign = nn.Parameter(torch.tensor(sign))

        def forward(self, joints_2d, **inputs):
            return torch.cat([joints_2d, self.sign * joints_2d[..., :1]], -1)

    batch = star_batch(50, torch.Generator().manual_seed(0))
    joints = batch.joints_3d.clone()
    joints[..., 2] = 5 + joints[..., 0] - joints[:, STAR.root, None, 0]
    poses = PoseTable(batch.moved(joints))
    critic = {"size": SizeDiscriminator()}
    seeds = [
        Assembly(poses, CriticObjective(), LiftingModel(Slope(sign), STAR, head=SignHead()), discriminators=d)
        for sign, d in ((1.0, critic), (-1.0, copy.deepcopy(critic)), (1.0, copy.deepcopy(critic)))
    ]
    together = side_by_side(seeds)
    trainer = train(together, steps=1, lr=1e-9)
    assert [float(model.head.sign) for model in models_of(together)] == [1, -1, 1]
    assert trainer.history.values["head/sign"][1] == pytest.approx(1 / 3)
    assert trainer.history.by_seed["head/sign"][1] == [1, -1, 1]
    predictions = [model.predict(batch) for model in models_of(together)]
    torch.testing.assert_close(predictions[0], predictions[1])


def test_batches_that_cannot_be_shared_are_refused():
    with pytest.raises(PoseplugError, match="3 seeds are trained together.*batches of 31 poses.*--seed"):
        Stack.of([LinearLifter() for _ in SEEDS])(torch.zeros(31, 5, 2))


def test_parts_that_differ_in_shape_are_refused():
    with pytest.raises(PoseplugError, match="'weight' has another shape under another seed"):
        Stack.of([nn.Linear(2, 3), nn.Linear(2, 4)])


def test_plain_augmentors_are_shared(manner):
    class Still(ScalingAugmentor):
        def __init__(self):
            super().__init__()
            self.log_scale.requires_grad_(False)

    seeds = [attrs.evolve(assembly_of(seed), augmentors=(Still(),)) for seed in SEEDS]
    together = attrs.evolve(side_by_side(seeds), source=RepeatingSource(len(SEEDS)))
    train(together)
    alone = assembly_of(SEEDS[1])
    train(alone, SEEDS[1])
    assert_alike(models_of(together)[1], alone.model)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_stack_on_a_cuda_device_is_computed_together():
    lifters = Stack.of([DeepLifter().cuda() for _ in SEEDS]).train()
    x = torch.randn(3 * 500, 5, 2, device="cuda")
    alone = [copy.deepcopy(member).requires_grad_(True) for member in lifters.members]
    lifters(x).square().mean().backward()
    assert lifters._vectorises == {True: True}
    for index, lifter in enumerate(alone):
        (lifter(x[index::3]).square().mean() / 3).backward()
        for name, parameter in lifter.named_parameters():
            if name != "leave.bias":  # which is not trained
                found = lifters.template.get_parameter(name).grad[index]
                torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-5)
