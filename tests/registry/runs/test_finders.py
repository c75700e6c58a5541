"""Runs that search for people: trained, evaluated, stored, evaluated again and compared."""

import json
import math

import attrs
import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import Entry, load_catalogue
from poseplug.registry.grids.finished_runs import open_results
from poseplug.registry.reports.contents import metrics_table, results_table, wide_table
from poseplug.registry.reports.question import Question
from poseplug.registry.reports.rows import Rows
from poseplug.registry.runs.evaluate import evaluate_run
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan

CPU = torch.device("cpu")
TOYS = {
    ("source", "pairs"): "finders:ManyPairs",
    ("root", "beside"): "finders:Beside",
    ("root", "mean"): "toys:MeanRoot",
    ("lifter", "learned"): "finders:Learned",
    ("lifter", "linear"): "toys:LinearLifter",
    ("input", "scene"): "poseplug.core.models.inputs:SceneRows",
    ("input", "scenes"): "poseplug.core.models.inputs:Places",
}
SMALL = {"steps": 3, "batch_size": 8, "eval_batch_size": 16, "eval_poses": 40}


@pytest.fixture(scope="module")
def catalogue():
    found = load_catalogue()
    there = {(entry.kind, entry.name) for entry in found.entries}
    toys = [Entry(*key, target, "", "", "toys") for key, target in TOYS.items() if key not in there]
    return attrs.evolve(found, entries=(*found.entries, *toys))


def document(root="beside", lifter="learned", **settings):
    table = {"name": "pairs"}
    name, _, score = root.partition("=")
    estimator = {"name": name, **({"score": float(score)} if score else {})}
    parts = {"source": [table], "eval": {"same": table}, "lifter": {"name": lifter}, "root": estimator}
    return {**parts, **SMALL, **settings}


@pytest.fixture(scope="module")
def run(catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finder") / "run"
    execute(make_plan(document(), catalogue), catalogue, CPU, RunDirectory(folder))
    return folder


def test_what_a_run_stores(run, catalogue):
    result = json.loads((run / "result.json").read_text(), parse_constant=pytest.fail)
    metrics = result["metrics"]["same"]
    assert result["poses"]["same"] == 80
    assert result["protocol"]["proposals"] == "scored"
    assert result["protocol"]["match_radius_mm"] == 500
    assert 0 < metrics["recall"] < 100
    assert metrics["pck_root"] < metrics["pck_root_matched"]
    assert list(metrics)[-3:] == ["recall", "precision", "ap_root"]
    assert result["headings"]["recall"] == "recall"
    assert "recall" not in result["per_action"]["same"]["walk"]
    assert result["per_action"]["same"]["walk"].keys() == metrics.keys() - {"recall", "precision", "ap_root"}
    again = evaluate_run(RunDirectory(run), catalogue, CPU, {})
    assert again["metrics"] == result["metrics"]
    assert again["protocol"] == result["protocol"]


def test_how_large_evaluations_are_is_the_run_s(run, catalogue, tmp_path):
    more = tmp_path / "more"
    plan = make_plan(document("mean", "linear", eval_poses=7, eval_batch_size=3), catalogue)
    result = execute(plan, catalogue, CPU, RunDirectory(more))
    assert result["poses"]["same"] == 14
    assert "proposals" not in result["protocol"]
    assert "recall" not in result["metrics"]["same"]
    with pytest.raises(PoseplugError, match="'eval_batch_size'"):
        make_plan(document(eval_batch_size=0), catalogue)


def test_another_protocol_is_another_number(run, catalogue):
    released = evaluate_run(RunDirectory(run), catalogue, CPU, {}, protocol="virtualpose-mupots")
    assert released["protocol"]["proposals"] == "truth-filtered"
    assert released["metrics"]["same"]["recall"] > 90  # whatever they score
    with pytest.raises(PoseplugError, match="'poseaug-3dhp' averages with mirrored"):
        evaluate_run(RunDirectory(run), catalogue, CPU, {}, protocol="poseaug-3dhp")


def test_a_run_that_finds_nobody_is_stored_without_nan(catalogue, tmp_path):
    folder = tmp_path / "none"
    result = execute(make_plan(document("beside=0.1"), catalogue), catalogue, CPU, RunDirectory(folder))
    stored = json.loads((folder / "result.json").read_text(), parse_constant=pytest.fail)
    assert stored["metrics"]["same"]["mrpe_mm"] is result["metrics"]["same"]["mrpe_mm"] is None
    assert stored["metrics"]["same"]["recall"] == stored["metrics"]["same"]["pck_abs"] == 0
    rows = Rows.of(open_results(folder))
    assert math.isnan(float(rows.spread("mrpe_mm").mean[0, 0]))


def test_errors_stand_beside_the_recall(run, catalogue, capsys):
    from poseplug.cli.render import print_result

    print_result(json.loads((run / "result.json").read_text()))
    shown = capsys.readouterr().out
    assert "people found at a score above 0.3, matched within 500 mm by root" in shown
    for heading in ("MRPE", "recall", "precision", "AP-ROOT", "PCK-ROOT-MATCHED"):
        assert heading in shown
    question = Question.of(Rows.of(open_results(run)), "mrpe_mm")
    assert "same, recall, %" in results_table(question).columns
    assert any("matched within 500 mm" in note for note in results_table(question).notes)
    for metrics in (["mrpe_mm"], ["mrpe_mm", "recall"]):
        assert list(metrics_table(question, 0, metrics).columns[1:3]) == ["MRPE, mm", "recall, %"]
    assert list(wide_table(question, [0], ["mpjpe_mm"]).columns[1:]) == ["same mpjpe_mm", "same recall"]
    shares = Question.of(Rows.of(open_results(run)), "pck_abs")
    assert "same, recall, %" not in results_table(shares).columns


def test_the_3d_view_shows_whom_it_finds(run, catalogue):
    from poseplug.registry.reports.examples import _of_evaluation
    from poseplug.registry.runs.build import build_evaluations
    from poseplug.registry.runs.context import run_context
    from poseplug.registry.runs.saved_model import open_run

    plan, model = open_run(RunDirectory(run), catalogue, CPU)
    sources = build_evaluations(plan, run_context(catalogue, CPU, skeleton=model.skeleton))
    cases, looked_at = _of_evaluation("same", sources["same"], plan, [model], 2)
    assert looked_at > 1000
    assert all(math.isfinite(case.errors[0]) for case in cases)
    assert {case.rank for case in cases} == {"best", "worst"}
