from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_poseaug.swap_lengths import SwapLengths, SwapLengthsConfig

People = Callable[..., PoseBatch]

test_the_conformance_kit = conformance_tests("augmentor", SwapLengths)


def swapped(batch: PoseBatch, each: str = "pose") -> PoseBatch:
    part = SwapLengths(SwapLengthsConfig(each=each), BuildContext(skeleton=batch.skeleton))
    return part.augment(batch, torch.Generator().manual_seed(1)).batch


@pytest.mark.parametrize("skeleton", [H36M_16, H36M_17], ids=["h36m16", "h36m17"])
def test_a_swap_gives_every_pose_the_lengths_of_one_subject(people: People, skeleton: Skeleton) -> None:
    batch = people(100, skeleton)
    source = swapped(batch)
    before, after = (torch.nn.functional.normalize(bone_vectors(b.absolute, skeleton), dim=-1) for b in (batch, source))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-4)
    torch.testing.assert_close(source.root, batch.root)
    torch.testing.assert_close(source.joints_2d, batch.camera.project(source.absolute))
    lengths = bone_lengths(source.absolute, skeleton)
    # Thigh, shin, upper arm and fore arm of S1, S5, S6, S7, S8.
    people_of_h36m = torch.tensor(
        [[0.4429, 0.4542, 0.2789, 0.2517], [0.4283, 0.4424, 0.2646, 0.2486], [0.4866, 0.4615, 0.3010, 0.2579],
         [0.4486, 0.4380, 0.2756, 0.2473], [0.4521, 0.4386, 0.2899, 0.2442]]
    )  # fmt: skip
    bone = {skeleton.joints[child]: b for b, (_, child) in enumerate(skeleton.bones)}
    for side in "LR":
        limbs = lengths[:, [bone[side + name] for name in ("Knee", "Foot", "Elbow", "Wrist")]]
        distance, who = (limbs[:, None] - people_of_h36m).norm(dim=-1).min(1)
        assert distance.max() < 1e-4
        assert set(who.tolist()) == set(range(5))
    if skeleton is H36M_17:
        scale = lengths / bone_lengths(batch.absolute, skeleton)
        thorax = scale[:, bone["Thorax"], None]
        torch.testing.assert_close(scale[:, [bone["Neck"], bone["Head"]]], thorax.expand(-1, 2), rtol=1e-3, atol=1e-4)
    else:
        assert {round(v, 4) for v in lengths[:, bone["Head"]].tolist()} == {0.1819, 0.1662, 0.1925, 0.1687, 0.2128}


def test_a_swap_may_be_one_for_the_whole_batch(people: People) -> None:
    lengths = bone_lengths(swapped(people(50), each="batch").absolute, H36M_16)
    assert lengths[:, 1].std() < 1e-5


def test_a_swap_needs_h36m(people: People) -> None:
    star = Skeleton("star", ("tip", "base", "left", "right"), ("base", "", "base", "base"))
    with pytest.raises(PoseplugError, match="'swap_lengths'.*'star' is neither h36m16 nor h36m17; leave it out"):
        swapped(people(5, star))
