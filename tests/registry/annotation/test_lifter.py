"""The pose to begin with, in skeletons that are not the run's."""

import pytest
import torch
from annotating import camera, figures

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_17, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.annotation.body_limits import BodyLimits
from poseplug.registry.annotation.lifter import FirstPose
from poseplug.registry.discovery.catalogue import load_catalogue


def of(skeleton):
    return FirstPose("starter", skeleton, load_catalogue())


def test_it_is_near_what_was_seen(walking):
    poses, pixels = figures(walking, 4)
    for pose, seen in zip(poses, pixels, strict=True):
        lifted = of(H36M_17)(seen[None], torch.ones(1, 17), camera(1))[0]
        assert ((lifted - lifted[0]) - (pose - pose[0])).norm(dim=-1).mean() < 0.12
        assert float(lifted[0, 2]) == pytest.approx(3, rel=0.2)


def test_another_skeleton_is_lifted_alike(walking):
    """COCO's joints that the run has are where they are for the run's own; its nose and eyes are near the neck."""
    _, pixels = figures(walking, 1)
    own = of(H36M_17)(pixels, torch.ones(1, 17), camera(1))[0]
    coco = LAYOUTS["coco17"]
    limbs = [j for j, name in enumerate(coco.joints) if name.replace("Ankle", "Foot") in H36M_17.joints]
    names = [coco.joints[joint].replace("Ankle", "Foot") for joint in limbs]
    marks, confidence = torch.zeros(1, 17, 2), torch.zeros(1, 17)
    marks[0, limbs] = pixels[0, [H36M_17.index(name) for name in names]]
    confidence[0, limbs] = 1
    lifted = of(coco)(marks, confidence, camera(1))[0]
    assert torch.isfinite(lifted).all()
    ours = own[[H36M_17.index(name) for name in names]]
    assert (lifted[limbs] - ours).norm(dim=-1).mean() < 0.3
    assert (lifted[coco.index("Nose")] - lifted[coco.index("LShoulder")]).norm() < 0.6


def test_joints_that_the_run_knows_nothing_of_hang_where_they_rest(walking):
    added = ("LTail", "Hat")
    odd = Skeleton("odd", (*H36M_17.joints, *added), (*H36M_17.parents, "Hip", "Head"), rest={"Hat": (0.0, -1.0, 0.0)})
    _, pixels = figures(walking, 1)
    marks = torch.cat([pixels, torch.zeros(1, 2, 2)], 1)
    lifted = of(odd)(marks, torch.cat([torch.ones(1, 17), torch.zeros(1, 2)], 1), camera(1))[0]
    torch.testing.assert_close(lifted[17] - lifted[0], torch.tensor([0.0, 0.1, 0.0]))
    torch.testing.assert_close(lifted[18] - lifted[odd.index("Head")], torch.tensor([0.0, -0.1, 0.0]))
    same = of(H36M_17)(pixels, torch.ones(1, 17), camera(1))[0]
    known = [joint for joint in range(17) if joint != H36M_17.index("Neck")]  # which is another joint elsewhere
    torch.testing.assert_close(lifted[known], same[known])


def test_a_skeleton_without_limbs_has_no_limits():
    assert BodyLimits.of(Skeleton("rope", ("a", "b", "c"), ("", "a", "b"))) is None


def test_a_run_that_searches_for_people_is_refused(monkeypatch):
    monkeypatch.setattr(LiftingModel, "finds", True)
    with pytest.raises(PoseplugError, match="'starter' searches images for people, and here people are given"):
        of(H36M_17)
