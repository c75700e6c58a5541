"""The sensitivity study of the 2D representation paper: answers that are known exactly."""

import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
import xarray

from poseplug.core.data.normalise import Normalisation, extents
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import Lifter, OutputHead
from poseplug.core.models.lifting_model import LiftingModel
from poseplug_pose2drep.depth_head import DepthHead

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies/pose2drep"))

from responses import AT, DELTAS, METRIC, NORMALISED, depths_of, jacobian, moved, ordered, study
from sensitivity_table import halves, markdown, short_names
from subsets import take

LEGS = [H36M_16.index(joint) for joint in H36M_16.joints if joint[1:] in ("Hip", "Knee", "Foot")]
REST = [joint for joint in range(1, 16) if joint not in LEGS]


class LinearDepth(Lifter):
    """Depths that are linear in the max-normalised pose; across halves of the body there is nothing if told so."""

    normalisation = Normalisation.MAX_NORM

    def output_head(self, skeleton):
        return DepthHead(skeleton, self.group_joints())

    def __init__(self, config=None, context=None, blocks=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(16, 16, 2, generator=torch.Generator().manual_seed(1)))
        mask = torch.ones(16, 16, 1)
        mask[0] = 0
        mask[:, 0] = 0
        if blocks:
            mask[np.ix_(LEGS, REST)] = 0
            mask[np.ix_(REST, LEGS)] = 0
        self.register_buffer("mask", mask)

    def forward(self, joints_2d, **inputs):
        depth = torch.einsum("nik,jik->nj", joints_2d, self.weight * self.mask)
        return torch.cat([joints_2d, depth[..., None]], dim=-1)


class BlockNetwork(LinearDepth):
    """Two networks, one for the legs and one for the rest."""

    def __init__(self):
        super().__init__()
        sizes = (len(LEGS), len(REST))
        self.nets = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(2 * n, 64), torch.nn.Tanh(), torch.nn.Linear(64, n)) for n in sizes
        )

    def forward(self, joints_2d, **inputs):
        depth = torch.zeros(joints_2d.shape[:2])
        for net, joints in zip(self.nets, (LEGS, REST), strict=True):
            depth = depth.index_copy(1, torch.tensor(joints), net(joints_2d[:, joints].flatten(1)))
        return torch.cat([joints_2d, depth[..., None]], dim=-1)


class LinearMetres(LinearDepth):
    """The same numbers, called metres."""

    def output_head(self, skeleton):
        return OutputHead()


def poses(n=40):
    joints = torch.randn(n, 16, 3, generator=torch.Generator().manual_seed(0)) * 0.4 + torch.tensor([0.0, 0.0, 5.0])
    return PoseBatch.seen(H36M_16, joints, Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0)))


def planar(batch):
    centred = batch.joints_2d - batch.joints_2d[:, :1]
    return centred / extents(batch.joints_2d, 0)[:, None, None]


def by_part(table):
    """Bring a table over joints [J, J] into the order of the study."""
    order = [joint for joints in ordered(H36M_16).values() for joint in joints]
    return table[order][:, order]


def test_the_answers_of_a_linear_lifter_are_exact():
    batch, lifter = poses(), LinearDepth()
    found = study(depths_of(LiftingModel(lifter, H36M_16).eval())[0], batch)
    weight = (lifter.weight * lifter.mask).detach()
    # [N, in, out]: moving joint i by delta changes depth j by delta times this.
    slope = torch.einsum("nik,jik->nij", planar(batch), weight)
    for delta in DELTAS:
        at = found.sel(delta=delta)
        expected = torch.stack([by_part((delta * slope).mean(0)), by_part((delta * slope).abs().mean(0))])
        np.testing.assert_allclose(at.signed, expected[0], atol=2e-6)
        np.testing.assert_allclose(at.absolute, expected[1], atol=2e-6)
    ninth = torch.quantile(AT * slope, 0.9, dim=0)
    np.testing.assert_allclose(found.high.sel(delta=AT), by_part(ninth), atol=2e-6)
    np.testing.assert_allclose(found.matrix, by_part((AT * slope).abs().mean(0)), atol=2e-6)
    length = AT * planar(batch).norm(dim=-1).mean(0)
    order = [joint for joints in ordered(H36M_16).values() for joint in joints]
    np.testing.assert_allclose(found.per_move, found.matrix / length[order, None].numpy(), rtol=1e-5)


def test_the_jacobian_of_a_linear_lifter_is_its_weights():
    lifter = LinearDepth()
    found = jacobian(depths_of(LiftingModel(lifter, H36M_16).eval())[0], poses(1100))
    expected = (lifter.weight * lifter.mask).norm(dim=-1).T.detach()
    # A root that moves takes all joints along in root-centred coordinates; the study leaves it out.
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", [lambda: LinearDepth(blocks=True), BlockNetwork])
def test_independent_halves_do_not_answer_each_other_at_all(build):
    found = study(depths_of(LiftingModel(build(), H36M_16).eval())[0], poses())
    names = {H36M_16.joints[joint] for joint in LEGS}
    across = found.input.isin(list(names)) != found.output.isin(list(names))
    for name in ("matrix", "jacobian"):
        assert float(found[name].where(across).max()) == 0
        assert float(found[name].where(~across).min()) > 0
    assert float(np.abs(found.signed.where(across)).max()) == 0
    own, same, other = halves(found.matrix, names)
    assert other == 0
    assert own > 0
    assert same > 0


def test_a_moved_pose_keeps_its_extent():
    batch = poses()
    farthest = planar(batch).abs().amax(-1).argmax(1)
    joint = int(farthest.mode().values)
    there = moved(batch, joint, 0.5)
    assert torch.equal(there.extent, extents(batch.joints_2d, 0))
    assert (extents(there.joints_2d, 0) > there.extent * 1.2).any()
    normalised = LiftingModel(LinearDepth(), H36M_16).normaliser(there)
    expected = planar(batch)
    expected[:, joint] *= 1.5
    torch.testing.assert_close(normalised, expected)
    again = moved(there, joint, 0.5)
    assert torch.equal(again.extent, there.extent)


def test_units_and_the_global_sign():
    model, metric = LiftingModel(LinearDepth(), H36M_16).eval(), LiftingModel(LinearMetres(), H36M_16).eval()
    batch = poses()
    (depths, unit), (millimetres, metres_unit) = depths_of(model), depths_of(metric)
    assert (unit, metres_unit) == (NORMALISED, METRIC)
    torch.testing.assert_close(millimetres(batch), depths(batch) * 1000)
    before = depths(batch)
    model.head.sign.fill_(-1)
    torch.testing.assert_close(depths(batch), -before)


def test_joints_come_by_part_without_the_root():
    groups = ordered(H36M_16)
    assert list(groups) == ["right_leg", "left_leg", "torso", "left_arm", "right_arm"]
    assert sorted(joint for joints in groups.values() for joint in joints) == list(range(1, 16))
    bare = attrs.evolve(H36M_16, parts={"left_leg": ("LHip", "LKnee"), "tail": ("LKnee", "Head")})
    groups = ordered(bare)
    assert list(groups) == ["left_leg", "tail", "other"]
    assert groups["tail"] == [bare.index("Head")]
    assert len(groups["other"]) == 12


def test_halves_are_means_over_their_cells():
    names = ["a", "b", "c"]
    table = xarray.DataArray(
        np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]),
        coords={"input": names, "output": names},
        dims=("input", "output"),
    )
    assert halves(table, {"a", "b"}) == (5.0, 3.0, 6.0)


def test_poses_are_taken_evenly_from_a_source():
    from poseplug.core.sources.pose_table import PoseTable

    batch = poses(100)
    taken = take(PoseTable(batch), 5, torch.device("cpu"))
    assert torch.equal(taken.joints_2d, batch.joints_2d[[0, 25, 50, 74, 99]])
    for all_of_them in (0, 500):
        assert torch.equal(take(PoseTable(batch), all_of_them, torch.device("cpu")).joints_2d, batch.joints_2d)


def test_runs_are_named_as_shortly_as_they_can_be(tmp_path):
    assert short_names([tmp_path / "a" / "full", tmp_path / "a" / "parts"]) == ["full", "parts"]
    assert short_names([tmp_path / "a" / "full", tmp_path / "b" / "full"]) == ["a/full", "b/full"]
    assert short_names([tmp_path / "full" / "seed-0", tmp_path / "parts"]) == ["full/seed-0", "parts"]
    assert len(set(short_names([tmp_path / "full", tmp_path / "full"]))) == 2


def test_the_table_says_what_the_matrix_holds():
    found = study(depths_of(LiftingModel(LinearDepth(blocks=True), H36M_16).eval())[0], poses())
    found = xarray.concat([found.assign_coords(unit=NORMALISED)], dim="run").assign_coords(run=["parts"])
    found = found.assign_coords(unit=("run", [NORMALISED])).assign_attrs(source="toy", poses=40)
    text = markdown(found, H36M_16)
    own = float(np.diag(found.matrix[0]).mean())
    assert f"| parts | ppt | {own * 1000:.3g} | " in text
    assert " | 0 | 0.00 |" in text
    ankle = float(found.matrix.sel(run="parts", input="LFoot", output="LFoot"))
    assert f"| parts | 0.00 | {ankle / own:.2f} |" in text
    assert max(map(len, text.splitlines())) < 80
