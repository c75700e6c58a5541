import csv
import json
import math
import sys

import pytest

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--batch-size", "8", "--set", "log_every=5", "--steps", "20"]


def run(poseplug, *arguments):
    result = poseplug("run", *NARROW, *arguments)
    assert result.exit_code == 0, result.stderr
    return result


def test_json_lines_hold_losses_and_metrics(poseplug, tmp_path):
    run(poseplug, "--hook", "logfile", "--out", "here")
    lines = [json.loads(line) for line in (tmp_path / "here" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 20]
    assert all(line["supervised"] > 0 for line in lines[:4])
    result = json.loads((tmp_path / "here" / "result.json").read_text())
    assert lines[4]["builtin/mpjpe_mm"] == result["metrics"]["builtin"]["mpjpe_mm"]


def test_csv_is_tidy(poseplug, tmp_path):
    run(poseplug, "--hook", "logfile:format=csv,path=logs/a.csv", "--reweight", "cips")
    rows = list(csv.DictReader((tmp_path / "logs" / "a.csv").read_text().splitlines()))
    assert {row["name"] for row in rows} >= {"supervised", "counterfactual", "builtin/mpjpe_mm"}
    assert all(math.isfinite(float(row["value"])) for row in rows)
    assert {int(row["step"]) for row in rows} == {5, 10, 15, 20}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_resumed_run_goes_on_in_its_file(tmp_path, form):
    from poseplug.core.hooks import RunFacts
    from poseplug.core.interfaces import BuildContext
    from poseplug_loggers.logfile import LogFile, LogFileConfig

    hook = LogFile(LogFileConfig(format=form), BuildContext())
    hook.configure(RunFacts({}, tmp_path, 30, 0, "cpu"))
    for step in (5, 10, 15):
        hook.on_log(step, {"loss": 1.0})
    again = LogFile(LogFileConfig(format=form), BuildContext())
    again.configure(RunFacts({}, tmp_path, 30, 10, "cpu"))
    again.on_log(15, {"loss": 2.0})
    text = (tmp_path / f"log.{form}").read_text()
    assert len(text.splitlines()) == 3 + (form == "csv")
    assert "2.0" in text.splitlines()[-1]


def test_a_run_without_a_directory_needs_a_path():
    from poseplug.core.errors import PoseplugError
    from poseplug.core.hooks import RunFacts
    from poseplug.core.interfaces import BuildContext
    from poseplug_loggers.logfile import LogFile, LogFileConfig

    with pytest.raises(PoseplugError, match="give logfile:path=FILE"):
        LogFile(LogFileConfig(), BuildContext()).configure(RunFacts({}, None, 3, 0, "cpu"))


def test_a_path_that_cannot_be_written_leaves_no_half_run(poseplug, tmp_path):
    (tmp_path / "file").write_text("")
    result = poseplug("run", *NARROW, "--hook", "logfile:path=file/below.csv", "--out", "here")
    assert result.exit_code == 2
    assert "Hook 'logfile' cannot write" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_tensorboard_reads_what_the_run_wrote(poseplug, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(poseplug, "--hook", "tensorboard", "--out", "here")
    events = EventAccumulator(str(tmp_path / "here" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("supervised")] == [5, 10, 15, 20]
    result = json.loads((tmp_path / "here" / "result.json").read_text())
    (logged,) = events.Scalars("builtin/mpjpe_mm")
    assert logged.value == pytest.approx(result["metrics"]["builtin"]["mpjpe_mm"], rel=1e-6)


def test_a_missing_tensorboard_is_said_with_the_pip_line(poseplug, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = poseplug("run", *NARROW, "--hook", "tensorboard")
    assert result.exit_code == 2
    assert "pip install 'poseplug-loggers[tensorboard]'" in result.stderr
    assert not list(tmp_path.iterdir())
