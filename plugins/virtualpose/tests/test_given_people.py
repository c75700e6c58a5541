"""What the baselines share: people on canvases, roots at depths, who counts."""

import attrs
import pytest
import torch
from drawn_maps import inputs_of, scenes_of

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.roots.bdr import BDR
from poseplug_virtualpose.roots.given_people import Given, GivenPeopleRoot, in_picture
from poseplug_virtualpose.roots.tbs import TBS
from poseplug_virtualpose.roots.tif import TIF

CONTEXT = BuildContext(skeleton=H36M_16)


class Oracle(GivenPeopleRoot):
    """Knows the depths."""

    def __init__(self, depths):
        super().__init__(CONTEXT)
        self.depths = depths

    def depth(self, given):
        return self.depths


def people(n=4, per_scene=2, beside=()):
    """People loosely about 5 m away; some of them beside the picture."""
    joints = torch.randn(n, 16, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    joints = joints + torch.tensor([0.0, 0.0, 5.0])
    for person in beside:
        joints[person] += torch.tensor([9.0, 0.0, 0.0])
    return scenes_of(joints, per_scene)


def test_an_oracles_roots_are_the_true_ones():
    batch = people()
    distortion = torch.tensor([[-0.2, 0.1, 0.0, 0.001, -0.001]])
    camera = attrs.evolve(batch.camera, distortion=distortion.expand(4, -1))
    bent = attrs.evolve(batch, camera=camera, joints_2d=camera.project(batch.joints_3d))
    for seen in (batch, bent):
        oracle = Oracle(seen.root[:, 2])
        inputs = inputs_of(seen, oracle.reads)
        roots = oracle(**inputs)
        torch.testing.assert_close(roots, seen.root, atol=1e-4, rtol=1e-4)
        assert oracle.loss(roots, seen, **inputs)["depth"] < 1e-4


def test_people_are_on_the_canvas_of_their_scene():
    batch = people()
    given = Given.of(H36M_16.root, **inputs_of(batch, Oracle.reads))
    ratio = 60 / 960  # the picture fills the width of the canvas, and its height
    torch.testing.assert_close(given.place, batch.joints_2d[:, H36M_16.root] * ratio)
    torch.testing.assert_close(given.focal, batch.camera.focal[:, 0] * ratio)
    for person in range(4):
        low, high = batch.joints_2d[person].amin(0) * ratio, batch.joints_2d[person].amax(0) * ratio
        margin = (high - low) * torch.tensor([0.25, 0.12])
        torch.testing.assert_close(given.low[person], (low - margin).clamp_min(0))
        limit = torch.tensor([60.0, 32.0])
        torch.testing.assert_close(given.high[person], torch.minimum(high + margin, limit))


def test_who_is_beside_the_picture_does_not_count():
    batch = people(beside=(1, 2))
    assert in_picture(batch).tolist() == [True, False, False, True]
    oracle = Oracle(batch.root[:, 2] + torch.tensor([0.1, 7.0, 7.0, 0.3]))
    inputs = inputs_of(batch, oracle.reads)
    assert oracle.loss(oracle(**inputs), batch, **inputs)["depth"].item() == pytest.approx(0.2, abs=1e-5)
    nobody = people(beside=range(4))
    assert oracle.loss(oracle(**inputs_of(nobody, oracle.reads)), nobody)["depth"] == 0


@pytest.mark.parametrize("kind", [TBS, TIF, BDR])
def test_beside_the_picture_all_stays_finite(kind):
    estimator = kind(kind.Config(channels=4), CONTEXT)
    for beside in ((1,), range(4)):
        batch = people(beside=beside)
        inputs = inputs_of(batch, estimator.reads)
        roots = estimator(**inputs)
        assert roots.isfinite().all()
        sum(estimator.loss(roots, batch, **inputs).values()).backward()
        assert all(p.grad.isfinite().all() for p in estimator.parameters())


@pytest.mark.parametrize("kind", [TBS, TIF, BDR])
def test_each_person_is_judged_alone(kind):
    """In evaluation it does not matter who else is asked about."""
    estimator = kind(kind.Config(channels=4), CONTEXT).eval()
    batch = people(8, 4)
    inputs = inputs_of(batch, estimator.reads)
    some = torch.tensor([6, 1])
    asked = {name: value if name == "maps" else value[some] if isinstance(value, torch.Tensor) else value.select(some)
             for name, value in inputs.items()}  # fmt: skip
    torch.testing.assert_close(estimator(**asked), estimator(**inputs)[some])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(TBS, {"channels": 4, "crop": 16}), (TIF, {"channels": 8, "stride": 1, "hidden": 32}), (BDR, {"channels": 4})],
)
def test_it_learns_where_people_are(kind, settings):
    """People of any width and height, some near and some far: each learns which is which."""
    torch.manual_seed(1)
    joints = torch.randn(8, 16, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([0.3, 0.4, 0.1])
    joints = joints + torch.rand(8, 1, 3) * torch.tensor([2.0, 0.5, 3.0]) + torch.tensor([-1.0, -0.2, 3.5])
    batch = scenes_of(joints, 2)
    estimator = kind(kind.Config(**settings), CONTEXT)
    inputs = inputs_of(batch, estimator.reads)
    optimiser = torch.optim.Adam(estimator.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        said = estimator.loss(estimator(**inputs), batch, **inputs)
        sum(said.values()).backward()
        optimiser.step()
        losses.append(said["depth"].item())
    assert losses[-1] < 0.3 * losses[0]
    assert losses[-1] < 0.25


def test_a_depth_map_is_read_where_roots_are():
    """The network's output in a cell is the paper's depth over focal length at four pixels a cell."""
    batch, estimator = people(), BDR(BDR.Config(channels=2), CONTEXT).eval()
    assert len(estimator.network.joints) == 16
    inputs = inputs_of(batch, estimator.reads)
    given = Given.of(H36M_16.root, **inputs)
    depth = estimator.network(given.maps)
    for person, (x, y) in enumerate(given.place.tolist()):
        assert estimator.depth(given)[person] == depth[person // 2, int(y), int(x)].clamp_min(0)
    with torch.no_grad():
        estimator.network.net[-1][-1].weight.zero_()
        estimator.network.net[-1][-1].bias.fill_(7.5)
    depth = 7.5 * 700 / 960 * 960 / 1000
    torch.testing.assert_close(estimator(**inputs)[:, 2], torch.full((4,), depth))
