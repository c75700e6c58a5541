"""The limits that come with poseplug: made of what the pages say, and true.

``python tests/core/anatomy/test_default_limits.py`` makes the file anew: from the embedded reference of
poseplug-datasets, and published ranges of motion.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

from poseplug.core.anatomy import joint_limits
from poseplug.core.anatomy.hinges import bends
from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.learn_limits import DirectionCounts, LimitSettings, learn_limits, limits_from
from poseplug.core.anatomy.limb_frames import measure_limbs, poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext

MOCAP = Path(os.environ.get("POSEPLUG_MOCAP", Path(__file__).resolve().parents[3] / "../shared/data/bandai-namco"))
LIMBS = limbs_of(H36M_16)


def built() -> JointLimits:
    """Return the default limits, made anew."""
    from poseplug_datasets.builtin import world_poses

    settings = LimitSettings()
    counts = DirectionCounts(settings)
    for split in ("train", "test"):
        counts.add(world_poses(H36M_16, split, takes=4, frames=64, device=torch.device("cpu")).joints, H36M_16)
    return limits_from(counts, settings, {"sources": ["builtin:split=all", "published ranges of motion"]})


def test_the_file_is_what_its_sources_make():
    anew, shipped = built(), JointLimits.default()
    assert anew.facts["sources"] == shipped.facts["sources"]
    assert anew.facts["settings"] == shipped.facts["settings"]
    for name, table in anew.tables.items():
        # At the border of a region another processor may round the other way.
        assert (table != shipped.tables[name]).float().mean() < 1e-5, name


def test_the_file_is_small():
    assert joint_limits.DEFAULT.stat().st_size < 300_000


def random_directions(n: int) -> torch.Tensor:
    drawn = torch.randn(3, len(LIMBS.bones), n, generator=torch.Generator().manual_seed(0))
    return drawn / drawn.norm(dim=0)


def test_most_random_directions_are_refused():
    valid = JointLimits.default().valid(random_directions(50_000), LIMBS)
    assert valid.float().mean() < 0.4
    assert valid.all(0).float().mean() < 0.01


def turned_about(axes: torch.Tensor, vectors: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Return vectors [N, 3] turned about unit axes [N, 3]; Rodrigues."""
    along = (axes * vectors).sum(-1, keepdim=True) * axes
    return along + (vectors - along) * angles.cos()[:, None] + torch.linalg.cross(axes, vectors) * angles.sin()[:, None]


def bent_the_wrong_way(low: float, n: int = 20_000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return poses [N, 16, 3] in which elbows and knees are bent backwards by ``low`` to 90 degrees, and are twisted by
    at most 20; which of their elbows count [N, 2], left first: those of arms that are not raised above 120 degrees;
    and which knees.

    People stand upright and look along z, their right along x, y down.
    """
    generator = torch.Generator().manual_seed(1)
    joints = torch.zeros(n, 16, 3, dtype=torch.float64)
    body = {"RHip": (0.1, 0, 0), "LHip": (-0.1, 0, 0), "Spine": (0, -0.25, 0), "Thorax": (0, -0.5, 0)}
    body |= {"Head": (0, -0.7, 0.05), "RShoulder": (0.18, -0.5, 0), "LShoulder": (-0.18, -0.5, 0)}
    for name, place in body.items():
        joints[:, H36M_16.index(name)] = torch.tensor(place, dtype=torch.float64)
    counted = []
    for upper, middle, lower in (("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Foot")):
        for side in "LR":
            u = torch.randn(n, 3, generator=generator, dtype=torch.float64)
            u = u / u.norm(dim=-1, keepdim=True)
            if middle == "Elbow":
                # An arm is raised from hanging by the smallest turn; a forearm bends forwards, so wrong is backwards.
                down = torch.tensor([0.0, 1, 0], dtype=torch.float64).expand(n, 3)
                axis = torch.linalg.cross(down, u)
                axis = axis / axis.norm(dim=-1, keepdim=True)
                backwards = torch.tensor([0.0, 0, -1], dtype=torch.float64).expand(n, 3)
                wrong = turned_about(axis, backwards, u[:, 1].acos())
                counted.append(u[:, 1] > math.cos(math.radians(115)))
            else:
                # A thigh is raised about the axis of the hips, with which the shin swings backwards; wrong is forwards.
                raised = torch.atan2(u[:, 2], u[:, 1])
                wrong = torch.stack([torch.zeros_like(raised), -raised.sin(), raised.cos()], -1)
                counted.append(u[:, 0].abs() < math.cos(math.radians(15)))
            twist = (torch.rand(n, generator=generator, dtype=torch.float64) * 40 - 20).deg2rad()
            wrong = turned_about(u, wrong, twist)
            bend = (low + (90 - low) * torch.rand(n, generator=generator, dtype=torch.float64)).deg2rad()[:, None]
            start = joints[:, H36M_16.index(side + upper)]
            joints[:, H36M_16.index(side + middle)] = start + 0.4 * u
            joints[:, H36M_16.index(side + lower)] = start + 0.4 * u + 0.4 * (bend.cos() * u + bend.sin() * wrong)
    return joints, torch.stack(counted[:2], 1), torch.stack(counted[2:], 1)


TOLERANCE = 10.0  # degrees of hyperextension that may pass: what counts as straight, and half a cell


def hyperextended_that_pass(limits: JointLimits) -> int:
    joints, elbows, knees = bent_the_wrong_way(TOLERANCE)
    accepted = limits.accepts(joints, H36M_16)
    names = {name: i for i, name in enumerate(LIMBS.names)}
    forearms = accepted[:, [names["LElbow-LWrist"], names["RElbow-RWrist"]]]
    shins = accepted[:, [names["LKnee-LFoot"], names["RKnee-RFoot"]]]
    assert elbows.float().mean() > 0.6
    assert knees.float().mean() > 0.9
    return int((forearms & elbows).sum() + (shins & knees).sum())


def test_no_hyperextended_elbow_or_knee_passes():
    assert hyperextended_that_pass(JointLimits.default()) == 0


def test_bent_the_right_way_they_pass():
    """The same people with their knees and elbows on the other side of straight, limbs hanging near the body."""
    joints, *_ = bent_the_wrong_way(TOLERANCE)
    accepted, limits = [], JointLimits.default()
    for side in "LR":
        for upper, middle, lower in (("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Foot")):
            start, bend, end = (H36M_16.index(side + name) for name in (upper, middle, lower))
            thigh = joints[:, bend] - joints[:, start]
            child = joints[:, end] - joints[:, bend]
            along = (child * thigh).sum(-1, keepdim=True) / thigh.square().sum(-1, keepdim=True) * thigh
            joints[:, end] = joints[:, bend] + 2 * along - child
            near = thigh[:, 1] / 0.4 > math.cos(math.radians(40))
            name = f"{side}{middle}-{side}{lower}"
            accepted.append(limits.accepts(joints[near], H36M_16)[:, LIMBS.names.index(name)].float().mean())
    assert min(accepted) > 0.9


@pytest.fixture(scope="module")
def captured() -> dict[str, torch.Tensor]:
    """Poses of every fifth clip of lab and wild, and of some of the others."""
    from poseplug_datasets.bvh import BVHSettings, read_poses

    if not (MOCAP / "lab").is_dir():
        pytest.skip(f"no motion capture in {MOCAP}; set POSEPLUG_MOCAP to its folder")
    return {
        f"{split} {name}": read_poses(
            BVHSettings(path=str(MOCAP / name), split=split, stride=stride), BuildContext()
        ).joints
        for name in ("lab", "wild")
        for split, stride in (("train", 20), ("test", 8))
    }


@pytest.mark.mocap
def test_captured_poses_are_accepted(captured):
    for name, joints in captured.items():
        assert JointLimits.default().accepts(joints, H36M_16).all(1).float().mean() > 0.99, name


@pytest.mark.mocap
def test_limits_of_some_clips_accept_others(captured):
    learned = learn_limits([captured["train lab"], captured["train wild"]], H36M_16, LimitSettings(count=1))
    for name, joints in captured.items():
        share = learned.accepts(joints, H36M_16).all(1).float().mean()
        assert share > (0.995 if name.startswith("train") else 0.99), name
    assert learned.valid(random_directions(50_000), LIMBS).float().mean() < 0.4
    assert hyperextended_that_pass(learned) == 0


@pytest.mark.mocap
def test_by_captured_poses_alone_much_more_is_refused(captured):
    settings = LimitSettings(count=1, ranges=False, margin=10)
    learned = learn_limits([captured["train lab"], captured["train wild"]], H36M_16, settings)
    assert learned.accepts(captured["test lab"], H36M_16).all(1).float().mean() > 0.95
    assert learned.accepts(captured["test wild"], H36M_16).all(1).float().mean() > 0.85
    assert learned.valid(random_directions(50_000), LIMBS).float().mean() < 0.3
    assert hyperextended_that_pass(learned) == 0


@pytest.mark.mocap
def test_captured_knees_and_elbows_bend_the_way_that_is_called_right(captured):
    """Runs and kicks for the knee, waves and slashes for the elbow; of the right side."""
    joints = torch.cat([captured["test lab"], captured["test wild"]])[::7].double()
    held = measure_limbs(poses_last(joints), LIMBS).directions
    for kind, name, most in (("shin", "RKnee-RFoot", 60), ("forearm", "RElbow-RWrist", 120)):
        b = LIMBS.names.index(name)
        bend, azimuth = (x.diagonal().rad2deg() for x in bends(kind, held[:, LIMBS.bones[b].parent], held[:, b]))
        bent = bend > 15
        assert bent.float().mean() > 0.5
        assert azimuth[bent].abs().quantile(0.99) < most
        assert azimuth[bent].median().abs() < 30
        assert bend.max() > 80


if __name__ == "__main__":
    built().save(joint_limits.DEFAULT)
    print(f"{joint_limits.DEFAULT}: {joint_limits.DEFAULT.stat().st_size} bytes")  # noqa: T201
