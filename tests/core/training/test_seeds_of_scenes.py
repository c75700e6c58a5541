"""Seeds side by side on people who share scenes: they are dealt out one by one, and each seed learns as if alone."""

import attrs
import pytest
import torch
from toys import CONTEXT, STAR, CriticObjective, LinearLifter, SizeDiscriminator, StarSource, star_batch

from poseplug.core.data.scenes import Scenes
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.multi_seed import StackedDiscriminator, dealt, models_of, replica_of, side_by_side
from poseplug.core.training.schedule import Training
from poseplug.core.training.stacked_modules import Stack
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

SEEDS = (3, 4, 5)


def in_pairs(batch):
    """The same people, two and two in a scene; one is left over where they are odd."""
    scene = torch.arange(len(batch)) // 2
    return attrs.evolve(batch, scene=scene, scenes=Scenes(batch.camera.select(slice(None, None, 2)), most=2))


class Pairs(StarSource):
    """Two people in each scene, the same ones whatever is drawn; of these each ``replicas`` times, and some more."""

    def __init__(self, replicas=1, more=0):
        self.replicas, self.more, self.calls = replicas, more, 0

    def sample(self, n, generator):
        self.calls += 1
        people = 2 * n // self.replicas
        batch = star_batch(people + self.more, torch.Generator().manual_seed(self.calls))
        return in_pairs(batch.select((torch.arange(2 * n + self.more) // self.replicas).clamp_max(people)))


def assembly_of(seed, objective=None, discriminators=()):
    torch.manual_seed(seed)
    model = LiftingModel(LinearLifter(context=CONTEXT), STAR)
    judges = {f"d{i}": d() for i, d in enumerate(discriminators)}
    return Assembly(Pairs(), objective or Supervised(), model, discriminators=judges)


def train(assembly, seed=0):
    trainer = Trainer(assembly, Training(steps=12, seed=seed, batch_size=8, lr=0.03, log_every=5), torch.device("cpu"))
    trainer.run()
    return trainer


@pytest.mark.parametrize("more", [0, 2])
@pytest.mark.parametrize("critic", [False, True])
def test_a_replica_is_what_it_would_be_alone(more, critic):
    parts = {"objective": CriticObjective(), "discriminators": (SizeDiscriminator,)} if critic else {}
    # Real poses for discriminators are drawn ones here, of which each seed must have its own.
    together = side_by_side([assembly_of(seed, **parts) for seed in SEEDS])
    train(attrs.evolve(together, source=Pairs(len(SEEDS), more)))
    for index, seed in enumerate(SEEDS):
        alone = assembly_of(seed, **parts)
        train(alone, seed)
        own, other = models_of(together)[index].state_dict(), alone.model.state_dict()
        for name, tensor in own.items():
            torch.testing.assert_close(tensor, other[name], rtol=2e-5, atol=2e-5)
        for name, judge in replica_of(together, index).discriminators.items():
            torch.testing.assert_close(judge.linear.weight, alone.discriminators[name].linear.weight)


def test_who_is_left_over_goes_nowhere_and_poses_alone_stay():
    people = star_batch(11, torch.Generator().manual_seed(0))
    some = dealt(in_pairs(people), 3)
    assert some.scenes is None
    assert torch.equal(some.joints_2d, people.joints_2d[:9])
    assert dealt(people, 3) is people


def test_judges_share_people_of_scenes():
    class Noting(SizeDiscriminator):
        def real(self, batch, generator):
            self.seen = batch
            return batch

    batch = in_pairs(star_batch(14, torch.Generator().manual_seed(0)))
    judge = StackedDiscriminator(Stack.of([Noting() for _ in SEEDS]))
    again = judge.real(batch, torch.Generator())
    assert torch.equal(again.joints_2d, batch.joints_2d[:12])
    assert torch.equal(judge.members[1].seen.joints_2d, batch.joints_2d[[1, 4, 7, 10]])
    assert judge(batch).shape == (12, 1)
