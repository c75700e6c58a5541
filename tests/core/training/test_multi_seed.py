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
    DeepLifter,
    LinearLifter,
    PartObjective,
    ScalingAugmentor,
    SignHead,
    SizeDiscriminator,
    StarSource,
    StubbornLifter,
    star_batch,
)

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Lifter, Objective
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.mixture import Mixture
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.multi_seed import StackedDiscriminator, models_of, replica_of, side_by_side
from poseplug.core.training.schedule import Training
from poseplug.core.training.stacked_modules import Stack
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

SEEDS = (3, 4, 5)
CPU = torch.device("cpu")


class RepeatingSource(StarSource):
    """Gives the same batches whatever is drawn: ``replicas`` poses in a row are alike."""

    def __init__(self, replicas=1, first=0):
        self.replicas = replicas
        self.calls = first

    def sample(self, n, generator):
        self.calls += 1
        batch = star_batch(n // self.replicas, torch.Generator().manual_seed(self.calls))
        return batch.select(torch.arange(n) // self.replicas)


class TellingLifter(LinearLifter):
    """Tells of the poses that it returned last."""

    def forward(self, joints_2d, **inputs):
        joints = super().forward(joints_2d)
        self.size = joints.square().mean()
        return joints

    def logs(self):
        return {"size": self.size, "batches": self.norm.num_batches_tracked.float()}


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
    "telling": {"lifter": TellingLifter},
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
    assert ("lifter/size" in losses[0]) == (case == "telling")
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
    class Far(StarSource):
        def sample(self, n, generator):
            batch = super().sample(n, generator)
            return batch.moved(batch.joints_3d + torch.tensor([0.0, 0.0, 100.0]))

    batch = Mixture([StarSource(), Far()]).sample(600, torch.Generator().manual_seed(0))
    is_far = batch.root[:, 2] > 50
    assert [int(is_far[i::3].sum()) for i in range(3)] == [100, 100, 100]


def test_dealt_poses_come_together_in_their_order():
    class Noting(SizeDiscriminator):
        def real(self, batch, generator):
            self.seen = batch
            return batch

    batch = star_batch(12, torch.Generator().manual_seed(0))
    judge = StackedDiscriminator(Stack.of([Noting() for _ in SEEDS]))
    again = judge.real(batch, torch.Generator())
    torch.testing.assert_close(again.joints_3d, batch.joints_3d)
    torch.testing.assert_close(judge.members[0].seen.joints_2d, batch.joints_2d[[0, 3, 6, 9]])


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
