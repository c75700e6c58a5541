"""What the lifter learns from: streams of poses, and how much each pose counts."""

import math

import attrs
import torch
from small_runs import assemble, train, weights
from toys import FlatSource, HalfReweighter, PartObjective, StarSource

from poseplug.core.interfaces import Step, Stream
from poseplug.core.training.supervised import Supervised


def test_weights_scale_the_losses_of_both_streams():
    weighed = assemble(reference=StarSource(), reweighter=HalfReweighter())
    history = train(weighed, steps=1, log_every=1).history.values
    assert weighed.reweighter.fitted == 10
    assert history["reweighter/mean"] == {1: 0.5}
    generator = torch.Generator().manual_seed(1)
    batches = [StarSource().sample(8, generator) for _ in range(2)]
    given = HalfReweighter().weigh(*batches)
    lifter = weighed.model.eval()
    streams = [Stream(name, batch, given[name]) for name, batch in zip(("training", "reference"), batches, strict=True)]
    losses = Supervised().loss(_step(lifter, *streams))
    expected = [(lifter(batch) - batch.root_relative).square().mean() for batch in batches]
    torch.testing.assert_close(losses["supervised"], 2 * expected[0])
    torch.testing.assert_close(losses["counterfactual"], 0.5 * expected[1])
    tripled = Supervised().loss(_step(lifter, streams[0], attrs.evolve(streams[1], factor=3.0)))
    torch.testing.assert_close(tripled["counterfactual"], 1.5 * expected[1])


def test_a_constant_weight_adds_the_reference_to_any_objective():
    alone, beside = assemble(), attrs.evolve(assemble(reference=StarSource()), reference_weight=2.0)
    losses = [train(assembly, steps=1, log_every=1).history.values for assembly in (alone, beside)]
    assert losses[0].keys() == {"supervised"}
    assert losses[1].keys() == {"supervised", "counterfactual"}


def _step(lift, *streams, one_pass=True):
    return Step(streams, lift, lambda stage, batch: {}, torch.Generator(), 0.0, one_pass=one_pass)


def test_joint_and_separate_passes_differ_only_in_batch_statistics():
    generator = torch.Generator().manual_seed(0)
    streams = [Stream(name, StarSource().sample(8, generator)) for name in ("training", "reference")]
    lift = assemble().model.eval()
    joint, separate = (Supervised().loss(_step(lift, *streams, one_pass=one)) for one in (True, False))
    torch.testing.assert_close(joint["counterfactual"], separate["counterfactual"])
    lift.train()
    lift.lifter.dropout.p = 0
    joint, separate = (Supervised().loss(_step(lift, *streams, one_pass=one)) for one in (True, False))
    assert abs(joint["counterfactual"] - separate["counterfactual"]) > 1e-6


def test_joined_streams_have_the_sum_of_their_means():
    generator = torch.Generator().manual_seed(0)
    few, many = (StarSource().sample(n, generator) for n in (4, 12))
    many = attrs.evolve(many, weight=torch.rand(12, generator=generator))
    streams = [Stream("training", few, torch.rand(4, generator=generator)), Stream("reference", many, None, 0.5)]
    joined = _step(None, *streams).joined()
    apart = sum(stream.mean(stream.batch.absolute.square()) for stream in streams)
    torch.testing.assert_close(joined.mean(joined.batch.absolute.square()), apart)


def test_pose_weights_of_the_batch_count():
    batch = StarSource().sample(4, torch.Generator().manual_seed(0))
    lift = assemble().model.eval()
    masked = attrs.evolve(batch, weight=torch.tensor([4.0, 0, 0, 0]))
    torch.testing.assert_close(
        Supervised().loss(_step(lift, Stream("training", masked)))["supervised"],
        Supervised().loss(_step(lift, Stream("training", batch.select(slice(0, 1)))))["supervised"],
    )


def test_an_objective_without_labels_is_never_shown_any():
    class Poisoned(StarSource):
        def sample(self, n, generator):
            batch = super().sample(n, generator)
            return attrs.evolve(batch, joints_3d=torch.full_like(batch.joints_3d, math.nan))

    runs = []
    for source in (StarSource(), Poisoned(), FlatSource()):
        assembly = assemble(source=source, objective=PartObjective())
        train(assembly)
        runs.append(weights(assembly))
    for run in runs[1:]:
        assert all(torch.equal(run[name], runs[0][name]) for name in run)
