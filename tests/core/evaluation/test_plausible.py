"""The metric plausible: shares of predictions that are within joint limits, whatever the truth."""

import math

import attrs
import pytest
import torch

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.metric import Comparison
from poseplug.core.evaluation.plausible import Plausible, PlausibleConfig
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests

test_the_conformance_kit = conformance_tests("metric", Plausible)
DEFAULT = lookup("default")


def truth(n=40, skeleton=H36M_16, seed=0):
    joints = torch.randn(n, skeleton.num_joints, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    camera = Camera.shared(n, (900.0, 900.0), (500.0, 500.0), (1000.0, 1000.0))
    return PoseBatch.seen(skeleton, joints + torch.tensor([0.0, 0.0, 4.0]), camera)


def figures(predicted, batch, **settings):
    metric = Plausible(PlausibleConfig(**settings), BuildContext(skeleton=batch.skeleton))
    return metric.measure(Comparison(predicted, batch, DEFAULT)), metric


def test_shares_are_those_of_one_pose_after_the_other():
    batch, other = truth(), truth(seed=1)
    found, metric = figures(other.root_relative, batch)
    limits = JointLimits.default()
    for row, joints in enumerate(other.root_relative):
        fine = limits.accepts(joints[None], H36M_16)[0].tolist()
        assert found["plausible"][row] == (100.0 if all(fine) else 0.0)
        assert [float(found[name][row]) for name in metric.names] == [100.0 * bone for bone in fine]
    assert "plausible_lshoulder_lelbow" in found
    assert metric.heading("plausible") == "plausible"
    assert {metric.heading(name) for name in metric.names} == {""}


def test_a_prediction_that_is_no_number_has_none():
    batch = truth(4)
    predicted = batch.root_relative.clone()
    predicted[1, 9, 2] = math.nan
    predicted[2, 3] = math.inf
    found, _ = figures(predicted, batch)
    for values in found.values():
        assert values.isnan().tolist() == [False, True, True, False]


def test_it_is_gathered_with_the_others():
    batch = attrs.evolve(truth(), labels={})
    scores = Scores(DEFAULT, metrics={"plausible": Plausible(PlausibleConfig(), BuildContext(skeleton=H36M_16))})
    for part in (slice(0, 10), slice(10, 40)):
        scores.add(batch.absolute[part], batch.select(part))
    fine = JointLimits.default().accepts(batch.absolute, H36M_16).all(1)
    assert scores.mean()["plausible"] == pytest.approx(100 * float(fine.float().mean()))
    assert scores.headings["plausible"] == "plausible"


@pytest.mark.parametrize("name", ["coco17", "3dhp28", "smpl24"])
def test_other_skeletons_and_no_hands(name):
    batch = truth(skeleton=LAYOUTS[name])
    found, metric = figures(batch.root_relative, batch)
    assert len(metric.names) == (8 if name == "coco17" else 9)
    assert not any("hand" in figure or "toe" in figure for figure in found)


def test_what_users_may_get_wrong(tmp_path):
    snake = Skeleton("snake", ("a", "b", "c"), ("", "a", "b"))
    with pytest.raises(PoseplugError, match="'snake' has no limbs"):
        Plausible(PlausibleConfig(), BuildContext(skeleton=snake))
    with pytest.raises(PoseplugError, match="nowhere"):
        Plausible(PlausibleConfig(limits=str(tmp_path / "nowhere")), BuildContext(skeleton=H36M_16))
