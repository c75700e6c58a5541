"""Models that search for people, judged: crossed matches, a miss and a false alarm, worked out by hand."""

import json
import math

import attrs
import pytest
import torch
from finders import Pairs, SceneTable, Shape, Told, scene_batch
from toys import STAR, LinearLifter, MeanRoot, StarSource

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.detection_scores import average_precision
from poseplug.core.evaluation.evaluate import check_measurable, evaluate
from poseplug.core.evaluation.metric import Metric
from poseplug.core.evaluation.protocol import PROTOCOLS, lookup
from poseplug.core.evaluation.results import as_json
from poseplug.core.evaluation.standard_metrics import PckAbsMatched, PckRootMatched
from poseplug.core.models.lifting_model import LiftingModel

DEFAULT, RELEASED = lookup("virtualpose"), lookup("virtualpose-released")
CPU = torch.device("cpu")
OF_FOUND = {"recall", "precision", "ap_root", "pck_abs_matched", "pck_root_matched"}
# Two people whose finds cross, and one whom nobody finds; the last find is a false alarm.
TRUE = [[0.0, 0, 5], [0.4, 0, 5], [3.0, 0, 5]]
FINDS = [[[0.45, 0, 5], [0.1, 0, 5], [-2.0, 0, 5], [0.0, 0, 0]]]
SURE = [[0.5, 0.9, 0.8, 0.0]]


def crossed(labels=None):
    return scene_batch(TRUE, [0, 0, 0], 1, labels)


def judged(batch, finds, score, protocol=DEFAULT, names=None, offset=(0.0, 0.0, 0.0), **asked):
    model = LiftingModel(Shape(offset), STAR, Told(finds, score))
    return evaluate(model, SceneTable(batch, {"action": names} if names else None), protocol, **asked)


def test_a_scene_by_hand():
    found = judged(crossed(), FINDS, SURE)
    metrics = found.metrics
    # 0.9 takes the first person at 100 mm, 0.5 the second at 50 mm: whoever is surer chooses first.
    assert metrics["mrpe_mm"] == pytest.approx(75, rel=1e-4)
    assert metrics["mrpe_x_mm"] == pytest.approx(75, rel=1e-4)
    assert metrics["mrpe_z_mm"] == pytest.approx(0, abs=1e-3)
    assert metrics["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert metrics["recall"] == metrics["precision"] == pytest.approx(200 / 3)
    assert metrics["pck_abs"] == metrics["pck_root"] == pytest.approx(200 / 3)
    assert metrics["pck_abs_matched"] == metrics["pck_root_matched"] == 100
    # In order of score: right, wrong, right. Precision 1 to a third, 2/3 to two thirds, then nothing.
    assert metrics["ap_root"] == pytest.approx(100 * (1 / 3 + 2 / 9))
    assert found.poses == 3
    assert [found.headings[name] for name in ("recall", "precision", "ap_root")] == ["recall", "precision", "AP-ROOT"]
    assert set(found.per_joint["mpjpe_mm"]) == set(STAR.joints)


def test_the_refined_root_is_judged():
    """The lifter moves everybody by 30 mm; matching and precision see where it puts them."""
    metrics = judged(crossed(), FINDS, SURE, offset=(0.03, 0.0, 0.0)).metrics
    assert metrics["mrpe_mm"] == pytest.approx((130 + 80) / 2, rel=1e-4)


def test_who_is_not_lifted_ranks_where_it_was_found():
    """A lifter that puts everybody a metre off leaves those who score too little alone."""
    metrics = judged(crossed(), FINDS, [[0.2, 0.9, 0.8, 0.0]], offset=(1.0, 0.0, 0.0)).metrics
    # Wrong, wrong, right.
    assert metrics["ap_root"] == pytest.approx(100 / 9)
    assert metrics["precision"] == 0


def test_who_scores_too_little_is_not_found():
    metrics = judged(crossed(), FINDS, SURE, attrs.evolve(DEFAULT, match_score=0.5)).metrics
    assert metrics["recall"] == pytest.approx(100 / 3)
    assert metrics["precision"] == 50
    assert metrics["mrpe_mm"] == pytest.approx(100, rel=1e-4)
    assert metrics["ap_root"] == pytest.approx(100 * (1 / 3 + 2 / 9))  # ranks all


def test_the_released_protocol_lets_the_truth_choose():
    metrics = judged(crossed(), FINDS, [[0.5, 0.9, 0.8, 0.1]], RELEASED).metrics
    assert metrics["precision"] == 100  # the false alarm is far from everybody, so it never was
    assert metrics["recall"] == pytest.approx(200 / 3)
    unsure = judged(crossed(), FINDS, [[0.01, 0.02, 0.8, 0.0]], RELEASED).metrics
    assert unsure["recall"] == pytest.approx(200 / 3)  # the score is not looked at
    assert judged(crossed(), FINDS, [[0.01, 0.02, 0.8, 0.0]]).metrics["recall"] == 0


def test_where_there_is_no_truth_the_score_chooses():
    empty = scene_batch(TRUE[:1], [0], 2)
    finds = [[[0.0, 0, 5], [9.0, 0, 5]], [[0.0, 0, 5], [1.0, 0, 5]]]
    metrics = judged(empty, finds, [[0.9, 0.9], [0.9, 0.2]], RELEASED).metrics
    assert metrics["recall"] == 100
    assert metrics["precision"] == 50  # one in the empty scene counts, the unsure one there does not


def test_on_mupots_each_true_person_takes_the_best():
    batch = scene_batch([[0.0, 0, 5], [0.4, 0, 5]], [0, 0], 1)
    one = [[[0.1, 0, 5]]]
    assert judged(batch, one, [[0.9]]).metrics["recall"] == 50
    metrics = judged(batch, one, [[0.9]], lookup("virtualpose-mupots")).metrics
    assert metrics["recall"] == metrics["precision"] == 100
    assert metrics["mrpe_mm"] == pytest.approx(200, rel=1e-4)


def test_batches_add_up_and_scenes_may_be_empty():
    roots, scene = [[0.0, 0, 5], [1.0, 0, 5], [2.0, 0, 5]], [0, 2, 2]
    finds = [[[0.1, 0, 5]], [[5.0, 0, 5]], [[1.0, 0, 5]], [[1.0, 0, 5]]]
    score = [[0.4], [0.6], [0.9], [0.0]]
    batch = scene_batch(roots, scene, 4)
    whole = judged(batch, finds, score)
    for size in (1, 3):
        parts = judged(batch, finds, score, batch_size=size)
        assert parts.metrics == pytest.approx(whole.metrics, rel=1e-6)
        assert parts.per_joint["mpjpe_mm"] == pytest.approx(whole.per_joint["mpjpe_mm"], abs=1e-3)
    assert whole.metrics["recall"] == whole.metrics["precision"] == pytest.approx(200 / 3)
    assert whole.metrics["mrpe_mm"] == pytest.approx(50, rel=1e-3)


def test_per_action_and_over_actions():
    batch = scene_batch(
        [[0.0, 0, 5], [1.0, 0, 5], [2.0, 0, 5], [9.0, 0, 5]], [0, 0, 0, 0], 1, {"action": torch.tensor([0, 0, 1, 2])}
    )
    finds = [[[0.1, 0, 5], [1.3, 0, 5], [2.0, 0.2, 5]]]
    names = ("walk", "run", "hide")
    found = judged(batch, finds, [[0.9] * 3], names=names)
    walk, run, hide = (found.per_action[name] for name in names)
    assert walk["mrpe_mm"] == pytest.approx(200, rel=1e-3)
    assert run["mrpe_mm"] == pytest.approx(200, rel=1e-3)
    assert (walk["pck_root"], run["pck_root"], hide["pck_root"]) == (50, 100, 0)
    assert "mrpe_mm" not in hide, "nobody was found, so there is no error"
    assert not {"recall", "precision", "ap_root"} & walk.keys()
    assert found.metrics["mrpe_mm"] == pytest.approx(200, rel=1e-3)
    assert found.metrics["pck_root"] == 50
    means = judged(batch, finds, [[0.9] * 3], attrs.evolve(DEFAULT, average="actions"), names).metrics
    assert means["mrpe_mm"] == pytest.approx(200, rel=1e-3)  # of the two that have one
    assert means["pck_root"] == 50  # of three


@pytest.mark.parametrize("average", ["poses", "actions"])
def test_nobody_found(average):
    batch = crossed({"action": torch.tensor([0, 0, 1])})
    found = judged(batch, FINDS, [[0.1, 0.1, 0.2, 0.0]], attrs.evolve(DEFAULT, average=average), ("walk", "run"))
    assert found.metrics["recall"] == found.metrics["pck_abs"] == 0
    for name in ("mrpe_mm", "mpjpe_mm", "pck_root_matched", "precision"):
        assert math.isnan(found.metrics[name]), name
    stored = json.dumps(as_json(found.metrics), allow_nan=False)
    assert json.loads(stored)["mrpe_mm"] is None
    assert json.dumps(as_json([found.per_action, found.per_joint]), allow_nan=False)
    assert as_json(found.per_joint)["mpjpe_mm"]["base"] is None
    nothing = judged(batch, FINDS, [[0.0] * 4]).metrics
    assert nothing["recall"] == nothing["ap_root"] == 0


def test_only_empty_scenes():
    found = judged(scene_batch([], [], 2), [[[0.0, 0, 5]], [[0.0, 0, 5]]], [[0.9], [0.2]])
    assert found.poses == 0
    assert found.metrics["precision"] == 0
    assert math.isnan(found.metrics["recall"])
    assert math.isnan(found.metrics["ap_root"])


def test_a_wrong_pose_of_a_found_person_still_shows():
    """NaN that a lifter gives is no miss: it gets into the mean."""
    found = judged(crossed(), FINDS, SURE, attrs.evolve(DEFAULT, match_by="root"), offset=(math.nan, 0.0, 0.0))
    assert found.metrics["recall"] == 0  # but one that is nowhere is
    given = evaluate(LiftingModel(Shape((math.nan, 0, 0)), STAR, Fixed()), SceneTable(crossed()), DEFAULT)
    assert math.isnan(given.metrics["mrpe_mm"])


class Fixed(MeanRoot):
    """Places those that it is given."""


def test_models_that_are_given_people_are_measured_as_ever():
    model = LiftingModel(LinearLifter(), STAR, MeanRoot())
    found = evaluate(model, StarSource(), lookup("default"))
    assert not OF_FOUND & found.metrics.keys()
    small = evaluate(model, Pairs(), lookup("default"), batch_size=50, endless=120)
    assert small.poses == 240
    assert not OF_FOUND & small.headings.keys()


def test_what_is_stored_beside_numbers():
    fields = {"match_radius_mm", "match_score", "match_by", "match_rule", "proposals"}
    for protocol in PROTOCOLS.values():
        assert not fields & protocol.asdict(STAR).keys()
        assert fields <= protocol.asdict(STAR, finds=True).keys()
    assert DEFAULT.proposals == "scored"
    assert RELEASED.proposals == "truth-filtered"


def test_what_cannot_be_measured_of_found_people():
    class Far(Metric):
        needs_found = True

        def measure(self, comparison):
            return {"recall": comparison.roots[:, 2]}

    scenes = SceneTable(crossed())
    check_measurable(scenes, DEFAULT, {}, CPU, roots=True, finds=True)
    with pytest.raises(PoseplugError, match="Metric 'far' measures how people are found, and this run searches"):
        check_measurable(scenes, DEFAULT, {"far": Far(None, None)}, CPU, roots=True)
    with pytest.raises(PoseplugError, match="Figure 'recall' is what every run that searches"):
        check_measurable(scenes, DEFAULT, {"far": Far(None, None)}, CPU, roots=True, finds=True)


def test_average_precision_against_a_loop():
    """The area under the largest precision at no less recall, counted threshold by threshold."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(30):
        score = torch.randint(0, 8, (25,), generator=generator) / 7
        hit = torch.rand(25, generator=generator) < 0.5
        people = int(hit.sum()) + 4
        points = []
        for least in sorted({float(s) for s in score if s > 0}, reverse=True):
            there = score >= least
            points.append((int((hit & there).sum()) / people, int((hit & there).sum()) / int(there.sum())))
        area, before = 0.0, 0.0
        for recall, _ in points:
            area += (recall - before) * max(p for r, p in points if r >= recall)
            before = recall
        assert average_precision(score, hit, people) == pytest.approx(100 * area)
    assert average_precision(torch.tensor([0.9, 0.8]), torch.tensor([True, True]), 2) == 100
    assert average_precision(torch.tensor([0.9, 0.8]), torch.tensor([False, True]), 1) == 50
    assert average_precision(torch.zeros(2), torch.tensor([False, False]), 3) == 0


def test_metrics_of_found_people_keep_the_promises_of_metrics():
    from poseplug.registry.conformance import check_component

    for metric in (PckAbsMatched, PckRootMatched):
        verdicts = check_component("metric", metric)
        assert [verdict for verdict in verdicts if verdict.state != "ok"] == []
