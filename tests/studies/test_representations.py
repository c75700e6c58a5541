"""The study of 2D pose representations: its statistics on made-up curves, and what it sees in a model."""

import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
import xarray

from poseplug.core.data.normalise import Normalisation
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import Lifter
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug_pose2drep.depth_head import DepthHead

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies/pose2drep"))

from curves import ERROR, correlations, flat_error, look
from report import markdown, stopped
from tables import orderings, spread, table


def made_up(**errors):
    """Curves with errors [seeds, epochs] of some rows, the same for every set but held_out, where they are reversed."""
    metrics = (ERROR, "p_mpjpe_mm", "mpjpe_mm", "pck_150", "auc")
    values = np.array([np.array(rows, dtype=float) for rows in errors.values()])  # [arm, seed, epoch]
    by_set = np.stack([values, values, values[..., ::-1]], -1)
    dims = ("arm", "seed", "epoch", "set")
    shape = values.shape
    return xarray.Dataset(
        {
            "value": ((*dims, "metric"), np.repeat(by_set[..., None], len(metrics), -1)),
            "action_value": ((*dims, "action"), by_set[..., None]),
            "correlation": (("arm", "seed", "epoch", "part"), np.ones((*shape, 3))),
            "sign": (("arm", "seed", "epoch"), np.ones(shape)),
            "flat": (("arm", "set"), np.full((shape[0], 3), 80.0)),
        },
        {
            "arm": [name.replace("_", "-") for name in errors],
            "seed": range(shape[1]),
            "epoch": range(1, shape[2] + 1),
            "set": ["lab_test", "wild", "held_out"],
            "metric": list(metrics),
            "action": ["walk"],
            "part": ["legs", "upper", "torso"],
        },
    )


FULL = [[50, 40, 60, 62, 64, 66, 68, 70], [52, 54, 44, 46, 46, 50, 52, 54]]


def test_statistics_of_made_up_curves():
    found = stopped(made_up(Full=FULL)).sel(arm="Full", set="wild")
    assert found.best.values.tolist() == [40, 44]
    assert found.best_epoch.values.tolist() == [1, 2]
    # Held out, the best epochs are the seventh and the sixth.
    assert found.chosen.values.tolist() == [68, 50]
    assert found.last.values.tolist() == [70, 54]
    assert found.average.values.tolist() == [68, 52]
    # At the last three epochs the seeds are 16 apart: a sample deviation of 16 / sqrt(2).
    assert found.apart.item() == pytest.approx(16 / 2**0.5)
    assert spread(found.last) == "62.0 ± 11.3"
    assert stopped(made_up(Full=[[3, 2]])).average.sel(arm="Full", set="wild").values.tolist() == [2]


def test_one_seed_has_no_spread():
    assert spread([3.0]) == spread([3.0, float("nan")]) == "3.0"
    assert spread([]) == "-"
    assert table(("a", "b"), [(1, 2)]) == ["| a | b |", "|---|---|", "| 1 | 2 |", ""]


def test_comparisons_say_whether_all_seeds_agree():
    error = xarray.DataArray(
        [[1.0, 3], [4, 6], [2, 4], [float("nan"), 5], [float("nan")] * 2],
        {"arm": ["low", "high", "between", "one", "none"]},
        ("arm", "seed"),
    )
    pairs = [("low", "high"), ("low", "between"), ("high", "low"), ("one", "high"), ("low", "none"), ("low", "other")]
    assert list(orderings(error, pairs)) == [
        ["low", "high", "60.0%", "apart"],
        ["low", "between", "33.3%", "overlap"],
        ["high", "low", "-150.0%", "apart"],
        ["one", "high", "0.0%", "one"],
    ]


def test_tables_compute_what_they_say():
    found = made_up(Full=[[60, 61, 62, 63], [61, 62, 63, 64]], Ind_LT=[[50, 51, 52, 53], [51, 52, 53, 54]])
    found.correlation.loc[{"arm": "Full", "seed": 1, "part": "legs"}] = -0.5
    text = markdown(found)
    assert "| best | wild | Ind-LT | Full | 16.5% | apart |" in text
    assert "\n| Full | 60.5 ± 0.7 | 63.5 ± 0.7 | 63.5 ± 0.7 |" in text
    assert "\n| flat | 80.0 | 80.0 | 80.0 | 80.0 | - |" in text
    assert "| walk | 60.5 | 50.5 |" in text
    assert "\n| Full | 0 of 2 | 1 of 2 | 0 of 2 | 0.25 | 1.00 |" in text


class Tilted(Lifter):
    """True depths times a factor for legs and one for the upper body, which only a lifter of ours could know."""

    normalisation = Normalisation.MAX_NORM

    def __init__(self, depth, legs, upper):
        super().__init__()
        self.depth = torch.nn.Parameter(depth)
        self.factors = torch.full((16,), upper)
        self.factors[[H36M_16.index(j) for part in ("left_leg", "right_leg") for j in H36M_16.parts[part]]] = legs

    def forward(self, joints_2d, **inputs):
        return torch.cat([joints_2d, (self.depth * self.factors)[: len(joints_2d), :, None]], dim=-1)


def orthographic(n=30):
    """Poses whose max-normalised image is their true x and y over the largest of them, and that largest."""
    joints = torch.randn(n, 16, 3, generator=torch.Generator().manual_seed(3)) * 0.3
    joints = joints - joints[:, :1]
    extent = joints[..., :2].abs().amax((1, 2))
    camera = Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    placed = joints + torch.tensor([0.0, 0.0, 5.0])
    return PoseBatch(H36M_16, 500 + 200 * joints[..., :2], camera, placed), joints[..., 2] / extent[:, None]


@pytest.mark.parametrize(("legs", "upper", "sign"), [(1.0, 1.0, 1), (-1.0, -1.0, -1), (-1.0, 1.0, 1)])
def test_a_look_finds_the_sign_and_parts_that_disagree(legs, upper, sign):
    batch, depth = orthographic()
    lifter = Tilted(depth, legs, upper)
    model = LiftingModel(lifter, H36M_16, head=DepthHead(H36M_16, lifter.group_joints(), 100))
    # Labelled poses stand at the head of the batch, where the toy knows their depths.
    found = look(model, batch.select(slice(0, 20)), dict.fromkeys(("lab_test", "wild"), PoseTable(batch)))
    agree = legs == upper
    assert (found.correlation.sel(part="legs") * found.correlation.sel(part="upper") > 0).item() == agree
    for metric in (ERROR, "p_mpjpe_mm"):
        assert (found.value.sel(set="wild", metric=metric) < 0.1).item() == agree
    if agree:
        assert found.sign.item() == sign
    assert correlations(model.eval(), batch)["upper"] == pytest.approx(1, abs=1e-5)


def test_depths_of_zero_are_right_for_flat_people_only():
    batch, _ = orthographic()
    assert flat_error(batch) > 50
    flat = batch.absolute * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 5.0])
    assert flat_error(attrs.evolve(batch, joints_3d=flat)) < 0.1
