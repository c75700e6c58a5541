"""``poseplug report`` and ``poseplug compare``, and ``poseplug eval`` of several runs and seeds."""

import csv
import io
import json
import re
import statistics

import pytest
from rich.console import Console

from poseplug.cli import render

LITTLE = ["--steps", "3", "--batch-size", "8"]
ON = ["--on", "e=builtin:split=test,takes=1,frames=2"]


@pytest.fixture
def cells(trained_grid):
    return trained_grid / "cells"


def test_a_grid_is_reported(poseplug, trained_grid, tmp_path):
    done = poseplug(
        *("report", trained_grid, "--baseline", "lifter=videopose", "--out", "page.html", "--examples", 1),
        *("--markdown", "-", "--latex", "tables.tex", "--figures", "pictures"),
    )
    assert done.exit_code == 0, done.stderr
    assert done.stderr.strip().endswith("The report is in page.html")
    assert "difference from videopose · none, paired by seed" in done.stdout
    assert done.stdout.count("| lifter | augmentor |") == 2
    assert (tmp_path / "tables.tex").read_text().count(r"\begin{table}") == 3
    page = (tmp_path / "page.html").read_text()
    assert "<title>two lifters</title>" in page
    assert '"rank":"worst"' in page
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    assert {f"{name}.{kind}" for name in ("results", "differences", "effects") for kind in ("pdf", "png")} < {*pictures}
    assert all(data.startswith(b"%PDF" if name.endswith("pdf") else b"\x89PNG") for name, data in pictures.items())


def test_runs_are_reported_by_another_metric(poseplug, cells, tmp_path):
    runs = [cells / f"mlp+{augmentor}-{seed}" for augmentor in ("none", "rigid") for seed in (0, 1)]
    done = poseplug("report", *runs, "--metric", "pck_150", "--baseline", "mlp+rigid", "--no-examples")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "PCK@150, %, higher is better" in page
    assert "Left out, as was asked for." in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "'nowhere' holds no run"),
        (["{grid}", "--metric", "mpjpe"], "There is no metric 'mpjpe'. Did you mean 'mpjpe_mm'?"),
        (["{grid}", "--baseline", "lifter=mpl"], "Did you mean 'mlp'?"),
    ],
)
def test_what_cannot_be_reported_is_refused(poseplug, trained_grid, tmp_path, arguments, message):
    refused = poseplug("report", *(word.format(grid=trained_grid) for word in arguments))
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert not (tmp_path / "report.html").exists()


def results(cells, name, seeds=(0, 1)):
    return [json.loads((cells / f"{name}-{seed}" / "result.json").read_text()) for seed in seeds]


def test_groups_of_seeds_are_compared(poseplug, cells):
    runs = [cells / f"{name}-{seed}" for name in ("mlp+none", "videopose+none") for seed in (0, 1)]
    shown = poseplug("compare", *runs, "--baseline", "mlp+none")
    assert shown.exit_code == 0, shown.stderr
    own = [r["metrics"]["own"]["mpjpe_mm"] for r in results(cells, "mlp+none")]
    other = [r["metrics"]["own"]["mpjpe_mm"] for r in results(cells, "videopose+none")]
    assert f"{statistics.fmean(own):.1f} +- {statistics.stdev(own):.1f}" in shown.stdout
    change = statistics.fmean(b - a for a, b in zip(own, other, strict=True))
    line = next(line for line in shown.stdout.split("paired by seed")[1].splitlines() if line.startswith("videopose"))
    assert line.split()[1] == f"{change:+.1f}"
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.startswith("run ")] == ["run"] * 3
    assert "Protocol default: 16 joints" in shown.stdout


def test_csv_has_a_column_for_each_evaluation_and_metric(poseplug, cells):
    shown = poseplug("compare", cells / "mlp+none-0", cells / "mlp+none-1", "--csv", "--metric", "mpjpe_mm")
    (row,) = csv.DictReader(io.StringIO(shown.stdout))
    values = [r["metrics"]["random"]["mpjpe_mm"] for r in results(cells, "mlp+none")]
    assert float(row["random mpjpe_mm"]) == pytest.approx(statistics.fmean(values))
    assert float(row["random mpjpe_mm sd"]) == pytest.approx(statistics.stdev(values))
    assert row["random mpjpe_mm seeds"] == "2"
    assert row["run"] == "mlp+none"


def test_protocols_are_compared_in_tables_of_their_own(poseplug):
    for name, protocol in (("a", "default"), ("b", "pose2drep")):
        made = poseplug("run", *LITTLE, "--lifter", "mlp:channels=4,blocks=1", "--protocol", protocol, "--out", name)
        assert made.exit_code == 0
    tables = poseplug("compare", "a", "b").stdout.strip().split("\n\n")
    assert [table.split(",")[0] for table in tables] == ["builtin (default)", "builtin (pose2drep)"]
    assert [[line.split()[0] for line in table.splitlines()[2:-1]] for table in tables] == [["a"], ["b"]]
    header = poseplug("compare", "a", "b", "--csv", "--metric", "mpjpe_mm").stdout.splitlines()[0]
    assert "builtin (default) mpjpe_mm" in header
    assert "builtin (pose2drep) mpjpe_mm" in header


def test_forms_metrics_and_evaluations_are_chosen(poseplug, cells):
    run = cells / "mlp+none-0"
    assert poseplug("compare", run, "--latex", "--eval", "own").stdout.count(r"\begin{tabular}") == 1
    markdown = poseplug("compare", run, "--markdown", "--metric", "p_mpjpe_reflected_mm").stdout
    assert markdown.count("| run | p_mpjpe_reflected_mm, mm | seeds | poses | time, s |") == 2
    for arguments, message in (
        (["--latex", "--csv"], "two forms of one table"),
        (["--eval", "ovn"], "There is no evaluation 'ovn'. Did you mean 'own'?"),
        (["--metric", "mpjpe_mm", "--metric", "auk"], "There is no metric 'auk'. Did you mean 'auc'?"),
        (["--baseline", "mlp+nome"], "There is no level of 'run' 'mlp+nome'. Did you mean 'mlp+none"),
    ):
        refused = poseplug("compare", run, *arguments)
        assert refused.exit_code == 2
        assert message in refused.stderr


@pytest.mark.parametrize("width", [80, 40])
def test_no_number_is_cut_however_narrow_the_terminal(poseplug, cells, monkeypatch, width):
    monkeypatch.setattr(render, "out", lambda: Console(width=width, force_terminal=True, color_system=None))
    runs = [cells / f"{name}-{seed}" for name in ("mlp+none", "videopose+none") for seed in (0, 1)]
    shown = poseplug("compare", *runs).stdout
    for name in ("mlp+none", "videopose+none"):
        for metric in ("mpjpe_mm", "p_mpjpe_mm"):
            values = [r["metrics"]["random"][metric] for r in results(cells, name)]
            assert f"{statistics.fmean(values):.1f} +- {statistics.stdev(values):.1f}" in shown


def test_eval_of_several_seeds_gives_mean_and_spread(poseplug, tmp_path):
    assert (
        poseplug("run", *LITTLE, "--lifter", "mlp:channels=4,blocks=1", "--seeds", 3, "--out", "three").exit_code == 0
    )
    found = json.loads(poseplug("eval", "three", *ON, "--json").stdout)
    each = [json.loads(poseplug("eval", f"three/seed-{seed}", *ON, "--json").stdout) for seed in range(3)]
    values = [one["metrics"]["e"]["mpjpe_mm"] for one in each]
    assert found["metrics"]["e"]["mpjpe_mm"] == pytest.approx(statistics.fmean(values))
    assert found["spread"]["e"]["mpjpe_mm"] == pytest.approx(statistics.stdev(values))
    assert found["seeds"] == [0, 1, 2]
    assert found["run"] == "three"
    assert found["poses"] == each[0]["poses"]
    shown = poseplug("eval", "three", *ON).stdout
    assert "mean and standard deviation of 3 seeds" in shown
    assert f"{statistics.fmean(values):.1f} +- {statistics.stdev(values):.1f}" in shown
    own = json.loads(poseplug("eval", "three", "--json").stdout)
    trained = json.loads((tmp_path / "three" / "result.json").read_text())
    assert own["metrics"]["builtin"]["mpjpe_mm"] == pytest.approx(trained["metrics"]["builtin"]["mpjpe_mm"])
    assert own["spread"].keys() == trained["spread"].keys()


def test_eval_of_several_runs_is_one_table(poseplug, cells):
    runs = [cells / "mlp+none-0", cells / "videopose+none-0"]
    shown = poseplug("eval", *runs, *ON)
    assert shown.exit_code == 0, shown.stderr
    assert len(re.findall("^run ", shown.stdout, re.M)) == 1
    assert [line.split()[:2] for line in shown.stdout.splitlines()[2:]] == [[str(run), "e"] for run in runs]
    found = json.loads(poseplug("eval", *runs, *ON, "--json").stdout)
    assert [one["run"] for one in found] == list(map(str, runs))


def test_several_runs_of_other_protocols_are_in_tables_of_their_own(poseplug, cells):
    made = poseplug("run", *LITTLE, "--lifter", "mlp:channels=4,blocks=1", "--protocol", "pose2drep", "--out", "here")
    assert made.exit_code == 0
    shown = poseplug("eval", cells / "mlp+none-0", "here", *ON).stdout
    assert re.findall("^protocol (\\w+)", shown, re.M) == ["default", "pose2drep"]
