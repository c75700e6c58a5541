"""Joint limits from Python: learned from data sets, and data sets held against them."""

import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.api import check_limits, learn_limits
from poseplug_datasets.builtin import Builtin, BuiltinSettings


@pytest.fixture(scope="module")
def poses():
    source = Builtin(BuiltinSettings(takes=1, frames=8), BuildContext())
    return next(iter(source.batches(100_000)))


def table(batch):
    return PoseTable(batch, {"action": ("a",) * 15, "subject": ("s",) * 7})


def test_a_source_of_ones_own_and_one_by_name_give_the_same_limits(poses):
    named = learn_limits("builtin:takes=1,frames=8", ranges=False)
    own = learn_limits(table(poses), ranges=False)
    assert named.facts["sources"] == ["builtin:takes=1,frames=8"]
    assert own.facts["sources"] == ["PoseTable"]
    for name, cells in named.tables.items():
        assert torch.equal(cells, own.tables[name])


def test_shares_are_counted_over_all_batches(poses):
    """Every tenth pose has a wrist that went through its elbow; batches are of other sizes than ten."""
    joints = poses.joints_3d.clone()
    elbow, shoulder, wrist = (H36M_16.index(f"L{name}") for name in ("Elbow", "Shoulder", "Wrist"))
    joints[::10, wrist] = joints[::10, elbow] + 0.8 * (joints[::10, shoulder] - joints[::10, elbow])
    held = check_limits(table(poses.moved(joints)))
    tenth = len(joints[::10]) / len(joints)
    assert held["poses"] == len(joints)
    assert held["accepted"] == held["bones"]["LElbow-LWrist"] == pytest.approx(1 - tenth)
    assert all(share == 1 for name, share in held["bones"].items() if name != "LElbow-LWrist")
    few = check_limits(table(poses.moved(joints)), poses=50)
    assert few["poses"] == 50
    assert few["drawn"]


def test_limits_that_are_given_are_held_against(poses):
    strict = learn_limits(table(poses.select(slice(0, 50))), ranges=False, margin=0, parent_margin=0, closing=0)
    assert check_limits(table(poses), strict)["accepted"] < check_limits(table(poses))["accepted"] == 1


def test_settings_that_are_none_are_refused(poses):
    for settings in ({"margin": -1}, {"slack": 3}):
        with pytest.raises(PoseplugError, match="Settings of joint limits"):
            learn_limits(table(poses), **settings)
