"""Metrics of one's own beside the standard ones: what they are given, and how their figures are gathered."""

import attrs
import pytest
import torch
from comparisons import CHAIN, noisy, truth
from toys import STAR, LinearLifter, MeanRoot, StarSource

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import check_measurable, evaluate
from poseplug.core.evaluation.metric import Comparison, Metric
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.interfaces import BuildContext, NoConfig
from poseplug.core.models.lifting_model import LiftingModel

DEFAULT, ROOTLESS, ALIGNED_WITHOUT_ROOT = (lookup(name) for name in ("default", "pose2drep", "evoskeleton"))
CPU = torch.device("cpu")


class Distance(Metric):
    """The distance of each joint from the root, of the prediction."""

    figure = "distance_mm"

    def measure(self, comparison):
        return {self.figure: comparison.predicted.norm(dim=-1) * 1000}


class Depth(Metric):
    """How far away the root is."""

    needs_root = True

    def measure(self, comparison):
        return {"far": comparison.absolute[:, comparison.truth.skeleton.root, 2], "near": comparison.truth.root[:, 2]}

    def heading(self, figure):
        return "depth" if figure == "far" else ""


def made(metric):
    return metric(NoConfig(), BuildContext())


def scored(protocol, *metrics, batch=None, root=False):
    batch = truth(30, skeleton=CHAIN) if batch is None else batch
    scores = Scores(protocol, ("walk", "run", "wave"), {m.__name__: made(m) for m in metrics})
    scores.add(noisy(batch), batch, batch.root if root else None)
    return scores


def distances(batch):
    predicted = noisy(batch)
    return (predicted - predicted[:, [batch.skeleton.root]]).norm(dim=-1) * 1000


def test_figures_of_joints_are_kept_for_each_and_averaged_over_them():
    batch = truth(30, skeleton=CHAIN)
    scores = scored(DEFAULT, Distance, batch=batch)
    expected = distances(batch).mean(0)
    assert list(scores.by_joint()["distance_mm"]) == list(CHAIN.joints)
    assert list(scores.by_joint()["distance_mm"].values()) == pytest.approx(expected.tolist())
    assert scores.mean()["distance_mm"] == pytest.approx(float(expected.mean()))
    assert scores.headings["distance_mm"] == "DISTANCE"


def test_a_joint_that_does_not_count_is_left_out():
    batch = truth(30, skeleton=CHAIN)
    scores = scored(ROOTLESS, Distance, batch=batch)
    expected = distances(batch)[:, [0, 2, 3, 4]].mean(0).tolist()
    for figure in ("distance_mm", "mpjpe_mm", "p_mpjpe_mm"):
        assert list(scores.by_joint()[figure]) == ["a", "b", "c", "d"]
        assert scores.mean()[figure] == pytest.approx(sum(scores.by_joint()[figure].values()) / 4)
    assert list(scores.by_joint()["distance_mm"].values()) == pytest.approx(expected)


def test_a_root_that_counts_without_being_aligned_has_no_error():
    scores = scored(attrs.evolve(ALIGNED_WITHOUT_ROOT, average="poses"))
    assert list(scores.by_joint()["p_mpjpe_mm"]) == ["a", "b", "c", "d"]
    assert scores.mean()["p_mpjpe_mm"] == pytest.approx(sum(scores.by_joint()["p_mpjpe_mm"].values()) / 5)
    assert list(scores.by_joint()["mpjpe_mm"]) == list(CHAIN.joints)


def test_joints_are_averaged_as_the_protocol_says():
    batch = attrs.evolve(truth(30, skeleton=CHAIN), labels={"action": torch.tensor([0] * 25 + [2] * 5)})
    values = distances(batch)
    over_actions = (values[:25].mean(0) + values[25:].mean(0)) / 2
    for protocol, expected in ((DEFAULT, values.mean(0)), (attrs.evolve(DEFAULT, average="actions"), over_actions)):
        found = scored(protocol, Distance, batch=batch)
        assert list(found.by_joint()["distance_mm"].values()) == pytest.approx(expected.tolist())
        assert found.mean()["distance_mm"] == pytest.approx(float(expected.mean()))


def test_batches_add_up():
    batch = truth(30, skeleton=CHAIN)
    whole, parts = scored(DEFAULT, Distance, batch=batch), Scores(DEFAULT, (), {"d": made(Distance)})
    for rows in (slice(0, 7), slice(7, 30)):
        parts.add(noisy(batch)[rows], batch.select(rows))
    for figure, joints in whole.by_joint().items():
        assert parts.by_joint()[figure] == pytest.approx(joints)


def test_absolute_metrics_are_measured_where_roots_are_predicted():
    assert not {"far", "near"} & scored(DEFAULT, Depth).mean().keys()
    scores = scored(DEFAULT, Depth, root=True)
    assert scores.mean()["far"] == scores.mean()["near"]
    assert (scores.headings["far"], scores.headings["near"]) == ("depth", "")
    assert scores.headings["mrpe_z_mm"] == "MRPE-Z"
    assert scores.headings["mrpe_x_mm"] == ""
    with pytest.raises(ValueError, match="no roots were predicted; a metric of absolute positions declares needs_root"):
        made(Depth).measure(Comparison(noisy(truth(2)), truth(2), DEFAULT))


def test_two_metrics_of_one_figure_are_refused():
    class Mine(Distance):
        figure = "mpjpe_mm"

    with pytest.raises(PoseplugError, match="Metrics 'Mpjpe' and 'Mine' both give 'mpjpe_mm'"):
        scored(DEFAULT, Mine)


@pytest.mark.parametrize("shape", [(30, 3), (5,), (30, 5, 3), ()])
def test_what_is_no_figure_is_refused(shape):
    class Odd(Metric):
        def measure(self, comparison):
            return {"odd": torch.zeros(shape)}

    with pytest.raises(PoseplugError, match=r"Metric 'Odd' gives 'odd' in the shape .*; expected \[30\].*\[30, 5\]"):
        scored(DEFAULT, Odd)


def test_an_evaluation_measures_them_too():
    model = LiftingModel(LinearLifter(), STAR, MeanRoot())
    found = evaluate(model, StarSource(), DEFAULT, {"distance": made(Distance), "depth": made(Depth)})
    assert found.metrics["far"] == pytest.approx(4.0)
    assert found.metrics["near"] == pytest.approx(5.0, abs=0.02)
    assert found.per_joint["distance_mm"]["base"] == 0
    assert found.headings["far"] == "depth"
    assert list(found.headings) == list(found.metrics)


def test_what_cannot_be_measured_is_refused_beforehand():
    class Mine(Distance):
        figure = "auc"

    check_measurable(StarSource(), DEFAULT, {"distance": made(Distance)}, CPU, roots=False)
    check_measurable(StarSource(), DEFAULT, {"depth": made(Depth)}, CPU, roots=True)
    with pytest.raises(PoseplugError, match="Metric 'depth' measures absolute positions; .* --root"):
        check_measurable(StarSource(), DEFAULT, {"depth": made(Depth)}, CPU, roots=False)
    with pytest.raises(PoseplugError, match="Metrics 'Auc' and 'mine' both give 'auc'"):
        check_measurable(StarSource(), DEFAULT, {"mine": made(Mine)}, CPU, roots=False)
    with pytest.raises(PoseplugError, match="'evoskeleton' averages over actions"):
        check_measurable(StarSource(), ALIGNED_WITHOUT_ROOT, {}, CPU, roots=False)
