from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.sources.pose_table import PoseTable
from poseplug_posegu.fk_generator import FKGenerator, FKGeneratorConfig
from poseplug_posegu.histograms import JointHistograms, root_relative_positions
from poseplug_posegu.propensity import ClippedPropensity, ClippedPropensityConfig, Propensity, PropensityConfig

People = Callable[..., PoseTable]
DOT = Skeleton("dot", ("a", "b"), ("", "a"))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def dots(*places: tuple[float, float]) -> PoseBatch:
    """Two joints each, at given screen coordinates: the first joint of all at the same place."""
    screen = torch.tensor([[(0.1, 0.1), place] for place in places])
    camera = Camera.shared(len(places), (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    pixels = screen * 500 + 500
    return PoseBatch(DOT, pixels, camera, torch.zeros(len(places), 2, 3))


A, B, C, D = (-0.6, -0.6), (0.6, -0.6), (0.6, 0.6), (-0.6, 0.6)
# Second joint: drawn A A B, reference A B B C, so with the first joint always shared the propensities are
# drawn A (1 + 2/3)/2, B (1 + 1/3)/2, C and D 1/2; reference A (1 + 1/4)/2, B (1 + 1/2)/2, C (1 + 1/4)/2, D 1/2.
DRAWN, REFERENCE = dots(A, A, B), dots(A, B, B, C)
RATIO = {A: (5 / 3) / (5 / 4), B: (4 / 3) / (3 / 2), C: 1 / (5 / 4), D: 1.0}


def fitted(kind: type[Propensity] = ClippedPropensity, **settings: Any) -> Propensity:
    weigher = kind(kind.Config(bins=2, **settings), BuildContext(skeleton=DOT))
    weigher.fit(PoseTable(DRAWN), PoseTable(REFERENCE), generator())
    return weigher


@pytest.mark.parametrize("space", ["screen", "root_relative"])
def test_histograms_are_those_of_numpy(people: People, space: str) -> None:
    poses = people(500).poses
    weigher = ClippedPropensity(ClippedPropensityConfig(space=space), BuildContext(skeleton=H36M_16))
    weigher.fit(PoseTable(poses), PoseTable(poses), generator())
    if space == "screen":
        size, edge, joints = poses.camera.size[:, None], 1.0, list(range(16))
        places = ((2 * poses.joints_2d - size) / size.amax(-1, keepdim=True)).double().numpy()
    else:
        edge, joints = 1.5, [joint for joint in range(16) if joint != H36M_16.root]
        places = poses.root_relative[:, joints, :2].double().numpy()
    edges = np.linspace(-edge, edge, 65)
    inside = np.clip(places, -edge + 1e-9, edge - 1e-9)  # what lies outside counts in the border cells
    tables = [np.histogram2d(*inside[:, j].T, bins=[edges, edges])[0] for j in range(len(joints))]
    counts = weigher.drawn.counts.view(len(joints), 64, 64).numpy()
    # A coordinate within rounding of a cell's edge may fall on either side.
    assert np.abs(counts - np.stack(tables)).sum() <= 4
    assert (counts.sum((1, 2)) == 500).all()
    cells = [np.clip(((inside[:, j] + edge) / (2 * edge) * 64).astype(int), 0, 63) for j in range(len(joints))]
    rho = np.mean([t[c[:, 0], c[:, 1]] / 500 for t, c in zip(tables, cells, strict=True)], axis=0)
    found = weigher.drawn.propensity(weigher.drawn.cells(weigher._positions(poses)))
    assert np.abs(found.numpy() - rho).max() < 2e-3


def test_what_lies_outside_counts_at_the_border() -> None:
    histograms = JointHistograms(1, 4, 1.0, torch.device("cpu"))
    places = torch.tensor([[[-9.0, -9.0]], [[9.0, 0.1]], [[1.0, 1.0]], [[-1.0, -0.2]]])
    assert histograms.cells(places).flatten().tolist() == [0, 3 * 4 + 2, 3 * 4 + 3, 1]


def test_root_relative_leaves_out_the_root_wherever_it_stands(people: People) -> None:
    poses = people(6).poses
    middle = Skeleton("m", ("a", "r", "b"), ("r", "", "r"))
    few = attrs.evolve(poses, skeleton=middle, joints_3d=poses.absolute[:, :3], joints_2d=poses.joints_2d[:, :3])
    expected = (few.absolute - few.absolute[:, 1:2])[:, [0, 2], :2]
    assert torch.equal(root_relative_positions(few), expected)


def test_equal_sets_weigh_one(people: People) -> None:
    table = people(300)
    for space in ("screen", "root_relative"):
        weigher = ClippedPropensity(ClippedPropensityConfig(space=space, clip=1.0), BuildContext(skeleton=H36M_16))
        weigher.fit(table, table, generator())
        weights = weigher.weigh(table.poses, table.poses)["reference"]
        assert weights is not None
        assert torch.allclose(weights, torch.ones(300))


def test_paper_mode_scales_the_real_loss_by_the_generated_ratio() -> None:
    found = fitted().weigh(dots(A, B, C), dots(C, C, C))
    assert "training" not in found
    assert found["reference"].tolist() == pytest.approx([RATIO[A], RATIO[B], RATIO[C]])


def test_batch_scalar_is_the_mean_of_the_paper_mode() -> None:
    drawn, reference = dots(A, B, C, A), dots(C, C, C, B)
    paired = fitted().weigh(drawn, reference)["reference"]
    single = fitted(mode="batch_scalar").weigh(drawn, reference)["reference"]
    assert paired is not None
    assert single is not None
    assert single.tolist() == pytest.approx([paired.mean().item()] * 4)


def test_per_sample_mode_judges_the_real_poses() -> None:
    found = fitted(mode="per_sample").weigh(dots(C, C), dots(A, B))
    assert "training" not in found
    assert found["reference"].tolist() == pytest.approx([RATIO[A], RATIO[B]])


def test_opposite_mode_scales_the_generated_loss_by_the_inverse_ratio() -> None:
    found = fitted(mode="opposite").weigh(dots(A, B), dots(C, C))
    assert "reference" not in found
    assert found["training"].tolist() == pytest.approx([1 / RATIO[A], 1 / RATIO[B]])


def test_same_action_mode_pairs_within_actions() -> None:
    """Drawn: action 0 at A and B, action 1 at C. Reference: actions 1, 0, 0, 0 and one that was not drawn."""
    drawn = attrs.evolve(dots(A, C, B), labels={"action": torch.tensor([0, 1, 0])})
    reference = attrs.evolve(dots(D, D, D, D, D), labels={"action": torch.tensor([1, 0, 0, 0, 7])})
    found = fitted(mode="same_action").weigh(drawn, reference)["reference"]
    assert found is not None
    assert found.tolist() == pytest.approx([RATIO[C], RATIO[A], RATIO[B], RATIO[A], RATIO[C]])
    with pytest.raises(PoseplugError, match="mode=paper"):
        fitted(mode="same_action").weigh(drawn, dots(A))


def test_paper_mode_pairs_batches_of_unequal_size() -> None:
    found = fitted().weigh(dots(A, B), dots(C, C, C))["reference"]
    assert found is not None
    assert found.tolist() == pytest.approx([RATIO[A], RATIO[B], RATIO[A]])
    alone = fitted().weigh(dots(A, B, C), dots(C))["reference"]
    assert alone.tolist() == pytest.approx([RATIO[A]])


def test_unseen_poses_have_finite_weights() -> None:
    """Space without the shared root: drawn only at A, reference only at B."""

    def lone(kind: type[Propensity], **settings: Any) -> Propensity:
        weigher = kind(kind.Config(bins=2, space="root_relative", **settings), BuildContext(skeleton=DOT))
        weigher.fit(PoseTable(at(-1.0)), PoseTable(at(1.0, 1.0, 1.0, 1.0)), generator())
        return weigher

    def at(*x: float) -> PoseBatch:
        joints = torch.zeros(len(x), 2, 3)
        joints[:, 1, 0] = torch.tensor(x)
        return attrs.evolve(dots(*[A] * len(x)), joints_3d=joints)

    assert lone(ClippedPropensity, clip=3.0).weigh(at(-1.0), at(-1.0))["reference"].tolist() == [3.0]
    # Unclipped, the reference propensity counts as the smallest above zero: a quarter, of four poses with one joint.
    assert lone(Propensity).weigh(at(-1.0), at(-1.0))["reference"].tolist() == [4.0]
    assert lone(Propensity).weigh(at(1.0), at(1.0))["reference"].tolist() == [0.0]
    nobody = at(0.5)
    nobody = attrs.evolve(nobody, joints_3d=nobody.absolute + torch.tensor([[[0.0, 0.0, 0.0], [0.0, -1.0, 0.0]]]))
    assert lone(Propensity).weigh(nobody, nobody)["reference"].tolist() == [1.0]


@pytest.mark.parametrize("clip", [0.0, 0.5, 2.0])
def test_weights_lie_between_zero_and_the_clip_without_gradient(people: People, clip: float) -> None:
    table = people(200)
    source = FKGenerator(FKGeneratorConfig(), BuildContext(reference=table))
    weigher = ClippedPropensity(ClippedPropensityConfig(clip=clip), BuildContext(skeleton=H36M_16))
    weigher.fit(source, table, generator())
    drawn = source.sample(100, generator())
    drawn = attrs.evolve(drawn, joints_2d=drawn.joints_2d.requires_grad_())
    weights = weigher.weigh(drawn, table.sample(100, generator()))["reference"]
    assert weights is not None
    assert not weights.requires_grad
    assert weights.min() >= 0
    assert weights.max() <= clip
    if clip == 2:
        assert weights.min() < weights.max()


def test_diagnostics_add_up_over_steps_and_survive_a_checkpoint() -> None:
    weigher = fitted(clip=1.2)
    assert weigher.diagnostics() == {}
    weigher.weigh(dots(A, B), dots(C, C))
    log = weigher.logs()
    assert log["weight_mean"].item() == pytest.approx((1.2 + RATIO[B]) / 2)
    assert log["weight_clipped"].item() == 0.5
    other = ClippedPropensity(weigher.config, BuildContext(skeleton=DOT))
    other.load_state_dict(weigher.state_dict())
    other.weigh(dots(C, C), dots(C, C))
    weights = np.array([1.2, RATIO[B], RATIO[C], RATIO[C]])
    assert other.diagnostics() == pytest.approx(
        {
            "weight_mean": weights.mean(),
            "weight_clipped_share": 0.25,
            "weight_effective_share": weights.sum() ** 2 / (weights**2).sum() / 4,
        }
    )


def test_sources_without_end_are_counted_by_a_sample(people: People) -> None:
    table = people(50)
    source = FKGenerator(FKGeneratorConfig(), BuildContext(reference=table))
    weigher = ClippedPropensity(ClippedPropensityConfig(fit_samples=70_001), BuildContext(skeleton=H36M_16))
    weigher.fit(source, table, generator())
    assert weigher.drawn.total.item() == 70_001
    assert weigher.reference.total.item() == 50
    again = ClippedPropensity(ClippedPropensityConfig(fit_samples=70_001), BuildContext(skeleton=H36M_16))
    again.fit(source, table, generator())
    assert torch.equal(weigher.drawn.counts, again.drawn.counts)


def test_root_relative_refuses_2d_sources(people: People) -> None:
    class Flat(PoseSource):
        has_3d = False
        skeleton = H36M_16

        def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
            return people(n).sample(n, generator)

    weigher = ClippedPropensity(ClippedPropensityConfig(space="root_relative"), BuildContext(skeleton=H36M_16))
    with pytest.raises(PoseplugError, match="space=screen"):
        weigher.fit(Flat(), people(), generator())


def test_settings_are_checked() -> None:
    assert ClippedPropensity.Config is ClippedPropensityConfig
    assert Propensity.Config is PropensityConfig
    with pytest.raises(ValueError, match="one of"):
        PropensityConfig(mode="nonsense")
    with pytest.raises(ValueError, match="at least 0"):
        ClippedPropensityConfig(clip=-1.0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_nothing_waits(people: People) -> None:
    table = PoseTable(people(100).poses.to("cuda"))
    context = BuildContext(skeleton=H36M_16, device=torch.device("cuda"))
    weigher = ClippedPropensity(ClippedPropensityConfig(), context)
    weigher.fit(table, table, torch.Generator("cuda").manual_seed(0))
    torch.cuda.set_sync_debug_mode("error")
    try:
        weights = weigher.weigh(table.poses, table.poses)["reference"]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert weights is not None
    assert weights.allclose(torch.ones(100, device="cuda"))
