"""The study of 2D pose representations: its statistics on made-up curves, its documents, and what it keeps of a run."""

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.data.normalise import Normalisation
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.hooks import RunFacts
from poseplug.core.interfaces import Lifter
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.plan import make_plan
from poseplug_pose2drep.depth_head import DepthHead

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies/pose2drep"))

from curves import Curves, dataset
from rows import MEANING, ROWS, SIZES, experiment
from stability import Spread, compared, describe, disagreeing, tail_length
from subsets import link_clips
from tables import ORDERINGS, SIGN, markdown
from watch import Watch, correlations, flat_error


def test_statistics_of_made_up_curves():
    errors = np.array([[50.0, 40, 60, 62, 64, 66, 68, 70], [52.0, 54, 44, 46, 46, 50, 52, 54]])
    held_out = np.array([[9.0, 8, 7, 1, 5, 6, 7, 8], [1.0, 2, 3, 4, 5, 6, 7, 8]])
    found = describe(errors, held_out, last_share=3 / 8)
    assert found.best == Spread(42, pytest.approx(math.sqrt(8)), (40, 44))
    assert found.best_epochs == (2, 3)
    assert found.chosen.values == (62, 52)
    assert found.last.values == (70, 54)
    assert found.average.values == (68, 52)
    # At the last three epochs the seeds are 16 apart: a sample deviation of 16 / sqrt(2).
    assert found.jitter == pytest.approx(16 / math.sqrt(2))
    assert str(found.last) == "62.0 ± 11.3"


def test_one_seed_has_no_spread():
    found = describe(np.array([[3.0, 2.0]]), np.array([[1.0, 2.0]]))
    assert math.isnan(found.best.std)
    assert str(found.chosen) == "3.0"
    assert tail_length(2) == 1
    assert tail_length(800) == 300


def test_comparisons_say_whether_all_seeds_agree():
    low, high = Spread(2, 1, (1, 3)), Spread(5, 1, (4, 6))
    assert compared(low, high) == "yes"
    assert compared(low, Spread(3, 1, (2, 4))) == "overlap"
    assert compared(high, low) == compared(low, low) == "no"


def test_seeds_whose_parts_disagree_are_counted():
    found = [{"legs": 0.9, "upper": 0.8}, {"legs": -0.9, "upper": 0.8}, {"legs": -0.1, "upper": -0.8}]
    assert disagreeing(found, ("legs", "upper")) == 1
    assert disagreeing(found, ("legs",)) == 0


def test_every_row_is_an_experiment_that_can_be_run(tmp_path):
    assert MEANING.keys() == ROWS.keys()
    assert {row for pair in (*ORDERINGS, SIGN) for row in pair} == ROWS.keys()
    catalogue = load_catalogue()
    clips = {split: tmp_path / split for split in ("train", "lab_test", "wild")}
    for size in SIZES.values():
        for row, settings in ROWS.items():
            plan = make_plan(experiment(row, size, clips), catalogue)
            assert plan.settings.seeds == size.seeds
            assert plan.parts.the("objective").config.half_turn_sign == settings.half_turn_sign
            assert plan.settings.projection == settings.input
            assert plan.settings.steps % size.epochs == 0
            assert size.steps - plan.settings.steps < size.epochs


def test_clips_are_split_without_overlap(tmp_path):
    for folder, count in (("lab", 12), ("wild", 3)):
        (tmp_path / folder).mkdir()
        for i in range(count):
            (tmp_path / folder / f"{folder}_{i:02}.bvh").write_text(f"{folder} {i}")
    folders = link_clips(tmp_path, tmp_path / "out")
    names = {split: [int(clip.stem[-2:]) for clip in sorted(folder.iterdir())] for split, folder in folders.items()}
    assert names == {
        "train": [0, 1, 2, 5, 6, 7, 10, 11],
        "held_out": [3, 8],
        "lab_test": [4, 9],
        "wild": [0, 1, 2],
    }
    assert (folders["held_out"] / "lab_08.bvh").read_text() == "lab 8"
    assert link_clips(tmp_path, tmp_path / "out") == folders


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
def test_a_look_finds_the_sign_and_parts_that_disagree(tmp_path, legs, upper, sign):
    batch, depth = orthographic()
    table = PoseTable(batch)
    watch = Watch({"lab_test": table, "wild": table, "held_out": table}, "lab_test", every=2)
    lifter = Tilted(depth, legs, upper)
    model = LiftingModel(lifter, H36M_16, head=DepthHead(H36M_16, lifter.group_joints(), 100))
    # Labelled poses stand at the head of the batch, where the toy knows their depths.
    watch._trained, watch._labelled, watch._path = (model,), batch.select(slice(0, 20)), tmp_path / "curves.json"
    watch.on_step(1, {})
    assert not watch._path.exists()
    watch.on_step(2, {})
    curves = Curves.read(watch._path)
    agree = legs == upper
    assert curves.steps == (2,)
    assert disagreeing(curves.correlations(), ("legs", "upper")) == (not agree)
    assert (curves.metric("wild")[0, 0] < 0.1) == agree
    assert (curves.metric("wild", "p_mpjpe_mm")[0, 0] < 0.1) == agree
    if agree:
        assert curves.records[0][0]["sign"] == sign
    assert model.lifter.training
    assert correlations(model.eval(), batch)["upper"] == pytest.approx(1, abs=1e-5)
    assert curves.flat["wild"] == flat_error(batch)


def test_depths_of_zero_are_right_for_flat_people_only():
    batch, _ = orthographic()
    assert flat_error(batch) > 50
    flat = batch.absolute * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 5.0])
    assert flat_error(attrs.evolve(batch, joints_3d=flat)) < 0.1


def test_a_resumed_run_forgets_what_it_will_see_again(tmp_path):
    (tmp_path / "curves.json").write_text(json.dumps({"records": [{"step": step} for step in (2, 4, 6)]}))
    for start, kept in ((4, [2, 4]), (0, [])):
        watch = Watch({}, "lab_test", every=2)
        watch.configure(RunFacts({}, tmp_path, 10, start, "cpu"))
        assert [record["step"] for record in watch.records] == kept


def made_up(level, seeds=2, epochs=4):
    def look(seed, epoch):
        error = level + seed + epoch
        metrics = dict.fromkeys(
            ("p_mpjpe_reflected_mm", "p_mpjpe_mm", "n_mpjpe_mm", "mpjpe_mm", "pck_150", "auc"), error
        )
        sets = {name: {"metrics": metrics, "actions": {"walk": error}} for name in ("lab_test", "wild", "held_out")}
        return {"sign": 1.0, "correlations": {"legs": 0.5, "upper": 0.5, "torso": 0.5}, "sets": sets}

    records = tuple(tuple(look(seed, epoch) for seed in range(seeds)) for epoch in range(epochs))
    return Curves(tuple(range(epochs)), dict.fromkeys(("lab_test", "wild", "held_out"), 80.0), records)


def test_tables_compute_what_they_say():
    size = SimpleNamespace(seeds=2, every=1, epochs=4, batch=8, watched=9, channels=16)
    text = markdown({"Full": made_up(60.0), "Ind-LT": made_up(50.0)}, "tiny", size)
    assert "| Ind-LT < Full | wild | yes | yes | yes |" in text
    assert "Ind-LT has 16.5% less error than Full" in text
    assert "| Full | 60.5 ± 0.7 | 60.5 ± 0.7 | 63.5 ± 0.7 |" in text
    assert "| walk | 60.5 | 50.5 |" in text
    turned = markdown({"Full": made_up(50.0), "Ind-LT": made_up(50.5)}, "tiny", size)
    assert "| Ind-LT < Full | wild | no | no | no |" in turned
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) < 80


def test_curves_become_a_data_set():
    found = dataset({"Full": made_up(60.0), "Ind-LT": made_up(50.0), "short": made_up(1.0, epochs=2)})
    assert list(found.row.values) == ["Full", "Ind-LT"]
    one = found.metrics.sel(row="Ind-LT", set="wild", metric="mpjpe_mm", seed=1, epoch=3)
    assert float(one) == 53.0
    assert float(found.correlations.sel(row="Full", part="torso").mean()) == 0.5
