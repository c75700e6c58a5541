"""``--metric``: what a run measures besides the standard metrics."""

import json
import tomllib

import pytest

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]
AT_50, AT_75 = (["--metric", f"pck:threshold_mm={threshold}"] for threshold in (50, 75))


def test_further_metrics_are_measured_stored_and_shown(poseplug, tmp_path):
    shown = poseplug("run", *NARROW, *AT_50, *AT_75, "--out", "here")
    assert shown.exit_code == 0, shown.stderr
    heading = next(line for line in shown.stdout.splitlines() if line.startswith("evaluation"))
    assert heading.split()[-4:] == ["AUC", "PCK@50", "PCK@75", "poses"]
    result = json.loads((tmp_path / "here" / "result.json").read_text())
    assert 0 < result["metrics"]["builtin"]["pck_50"] < result["metrics"]["builtin"]["pck_75"]
    assert result["metrics"]["builtin"]["pck_75"] < result["metrics"]["builtin"]["pck_150"]
    assert result["per_action"]["builtin"]["Walking"].keys() == result["metrics"]["builtin"].keys()
    assert result["components"]["metric"] == "pck,pck"
    kept = tomllib.loads((tmp_path / "here" / "experiment.toml").read_text())
    assert kept["metric"] == [{"name": "pck", "threshold_mm": 50.0}, {"name": "pck", "threshold_mm": 75.0}]
    again = poseplug("run", "--config", "here/experiment.toml", "--json")
    assert json.loads(again.stdout)["metrics"] == result["metrics"]
    changed = poseplug("run", "--config", "here/experiment.toml", "--set", "metric.1.threshold_mm=60", "--json")
    assert json.loads(changed.stdout)["metrics"]["builtin"].keys() >= {"pck_50", "pck_60"}


def test_a_finished_run_is_measured_with_its_own_and_further_ones(poseplug):
    assert poseplug("run", *NARROW, *AT_50, "--out", "here").exit_code == 0
    found = json.loads(poseplug("eval", "here", *AT_75, "--json").stdout)
    assert list(found["metrics"]["builtin"])[-2:] == ["pck_50", "pck_75"]
    assert list(json.loads(poseplug("eval", "here", "--json").stdout)["metrics"]["builtin"])[-1] == "pck_50"
    assert "PCK@75" in poseplug("eval", "here", *AT_75).stdout


def test_each_seed_is_measured_with_them(poseplug, tmp_path):
    assert poseplug("run", *NARROW, *AT_50, "--seeds", "2", "--out", "two").exit_code == 0
    result, *own = (json.loads((tmp_path / "two" / f / "result.json").read_text()) for f in ("", "seed-0", "seed-1"))
    values = [one["metrics"]["builtin"]["pck_50"] for one in own]
    assert result["metrics"]["builtin"]["pck_50"] == pytest.approx(sum(values) / 2)
    assert result["headings"]["pck_50"] == "PCK@50"


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("pck", "Metrics 'Pck' and 'pck (metric 0)' both give 'pck_150'"),
        ("mrpe", "Metric 'mrpe (metric 0)' measures absolute positions; give the run a root estimator with --root"),
        ("pkc", "There is no metric 'pkc'. Did you mean 'pck'?"),
        ("pck:threshold_mm=0", "must be above 0, got 0"),
        ("pck:threshold=50", "Did you mean 'threshold_mm'?"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_training(poseplug, tmp_path, metric, message):
    refused = poseplug("run", *NARROW, "--metric", metric, "--out", "here")
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert not (tmp_path / "here").exists()
