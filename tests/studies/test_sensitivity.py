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
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import Lifter, OutputHead
from poseplug.core.models.lifting_model import LiftingModel
from poseplug_pose2drep.depth_head import DepthHead

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies/pose2drep"))

from curves import take
from sensitivity import AT, DELTAS, METRIC, NORMALISED, depths_of, halves, markdown, moved, ordered, study

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
    order = ordered(H36M_16)
    return MILLIMETRES * table[order][:, order]


def test_the_answers_of_a_linear_lifter_are_exact():
    batch, lifter = poses(), LinearDepth()
    found = study(depths_of(LiftingModel(lifter, H36M_16).eval())[0], batch)
    weight = (lifter.weight * lifter.mask).detach()
    # [N, in, out]: moving joint i by delta changes depth j by delta times this.
    slope = torch.einsum("nik,jik->nij", planar(batch), weight)
    for delta in DELTAS:
        at = found.sel(delta=delta)
        expected = torch.stack([by_part((delta * slope).mean(0)), by_part((delta * slope).abs().mean(0))])
        np.testing.assert_allclose(at.signed, expected[0], atol=2e-3)
        np.testing.assert_allclose(at.absolute, expected[1], atol=2e-3)
    ninth = torch.quantile(AT * slope, 0.9, dim=0)
    np.testing.assert_allclose(found.high.sel(delta=AT), by_part(ninth), atol=2e-3)
    np.testing.assert_allclose(found.matrix, by_part((AT * slope).abs().mean(0)), atol=2e-3)


@pytest.mark.parametrize("build", [lambda: LinearDepth(blocks=True), BlockNetwork])
def test_independent_halves_do_not_answer_each_other_at_all(build):
    found = study(depths_of(LiftingModel(build(), H36M_16).eval())[0], poses())
    names = {H36M_16.joints[joint] for joint in LEGS}
    across = found.input.isin(list(names)) != found.output.isin(list(names))
    assert float(found.matrix.where(across).max()) == 0
    assert float(found.matrix.where(~across).min()) > 0
    assert float(np.abs(found.signed.where(across)).max()) == 0
    own, same, other = halves(found.matrix, list(names))
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
    torch.testing.assert_close(millimetres(batch), depths(batch))
    before = depths(batch)
    model.head.sign.fill_(-1)
    torch.testing.assert_close(depths(batch), -before)


def test_joints_come_by_part_without_the_root():
    names = [H36M_16.joints[joint] for joint in ordered(H36M_16)]
    assert names[:6] == [*H36M_16.parts["right_leg"], *H36M_16.parts["left_leg"]]
    assert sorted(names) == sorted(H36M_16.joints[1:])
    bare = attrs.evolve(H36M_16, parts={"left_leg": ("LHip", "LKnee"), "tail": ("LKnee", "Head")})
    assert [bare.joints[joint] for joint in ordered(bare)][:3] == ["LHip", "LKnee", "RHip"]
    assert len(ordered(bare)) == 15


def test_halves_are_means_over_their_cells():
    names = ["a", "b", "c"]
    table = xarray.DataArray(
        np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]),
        coords={"input": names, "output": names},
        dims=("input", "output"),
    )
    assert halves(table, ["a", "b"]) == (5.0, 3.0, 6.0)


def test_poses_are_taken_evenly_from_a_source():
    from poseplug.core.sources.pose_table import PoseTable

    batch = poses(100)
    taken = take(PoseTable(batch), 5, torch.device("cpu"))
    assert torch.equal(taken.joints_2d, batch.joints_2d[[0, 25, 50, 74, 99]])
    for all_of_them in (0, 500):
        assert torch.equal(take(PoseTable(batch), all_of_them, torch.device("cpu")).joints_2d, batch.joints_2d)


def test_the_table_says_what_the_matrix_holds():
    found = study(depths_of(LiftingModel(LinearDepth(blocks=True), H36M_16).eval())[0], poses())
    found = found.assign(unit=NORMALISED).expand_dims(run=["parts"]).set_coords("unit")
    text = markdown(found, H36M_16, "toy, 40 poses.")
    own = float(np.diag(found.matrix[0]).mean())
    assert f"| parts | ppt | {own:.3g} | " in text
    ankle = float(found.matrix.sel(run="parts", input="LFoot", output="LFoot"))
    assert f" | 0 | 0.00 | 0.00 | {ankle / own:.2f} |" in text
