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
    with (tmp_path / f"log.{form}").open("a") as file:
        file.write("1" if form == "csv" else '{"step": 1')  # the process was killed in the middle of a line
    again.configure(RunFacts({}, tmp_path, 30, 10, "cpu", resumed=True))
    again.on_log(15, {"loss": 2.0})
    text = (tmp_path / f"log.{form}").read_text()
    assert len(text.splitlines()) == 3 + (form == "csv")
    assert "2.0" in text.splitlines()[-1]


class Killed(BaseException):
    """As if the process ended here."""


@pytest.fixture
def killed_after(monkeypatch, poseplug):
    """Begins a run with a hook in the folder "here", which ends like a killed one after some steps."""

    def begin(steps, *arguments):
        from poseplug_baselines.perceptron import ResidualPerceptron

        forward, calls = ResidualPerceptron.forward, iter(range(steps))

        def dying(self, *inputs, **further):
            if next(calls, None) is None:
                raise Killed
            return forward(self, *inputs, **further)

        with monkeypatch.context() as patch:
            patch.setattr(ResidualPerceptron, "forward", dying)
            with pytest.raises(Killed):
                poseplug("run", *NARROW, "--set", "checkpoint_every=10", *arguments, "--out", "here")

    return begin


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("steps", [7, 17])  # before and after the first checkpoint
def test_a_killed_run_goes_on_in_the_file_that_it_was_given(poseplug, tmp_path, killed_after, steps, form):
    log = ["--hook", f"logfile:format={form},path=own.log"]
    killed_after(steps, *log)
    assert poseplug("run", "--resume", "here").exit_code == 0
    run(poseplug, "--hook", f"logfile:format={form},path=whole.log", "--set", "checkpoint_every=10")
    assert (tmp_path / "own.log").read_text() == (tmp_path / "whole.log").read_text()


@pytest.mark.parametrize(
    "content", ["HIERARCHY\nROOT Hips\n", "one line without end", "step,name,value\n1,a,b\n", "{}\n"]
)
@pytest.mark.parametrize("hook", ["logfile", "logfile:format=csv"])
def test_a_file_of_the_user_is_never_touched(poseplug, tmp_path, killed_after, hook, content):
    hook = f"{hook}{',' if ':' in hook else ':'}path=clip.bvh"
    (tmp_path / "clip.bvh").write_text(content)
    refused = poseplug("run", *NARROW, "--hook", hook, "--out", "here")
    assert_refused(refused, "clip.bvh' exists and is not the log of this run; give another path, or move that file")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("clip.bvh", content)]
    (tmp_path / "clip.bvh").unlink()
    killed_after(12, "--hook", hook)
    (tmp_path / "clip.bvh").write_text(content)
    assert_refused(poseplug("run", "--resume", "here"), "clip.bvh' exists and is not the log of this run")
    assert (tmp_path / "clip.bvh").read_text() == content


def assert_refused(result, message):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("error:") == 1
    assert message in result.stderr


def test_what_a_refused_run_left_does_not_stand_in_the_way_of_the_next(poseplug, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")
    (tmp_path / "clip.bvh").write_text("HIERARCHY")
    hooks = ["--hook", "tensorboard:path=board", "--hook", "logfile:path=new.log", "--hook", "logfile:path=clip.bvh"]
    assert_refused(poseplug("run", *NARROW, *hooks, "--out", "here"), "clip.bvh' exists")
    run(poseplug, *hooks[:4], "--out", "here")
    assert len((tmp_path / "new.log").read_text().splitlines()) == 5


def test_tensorboard_takes_no_folder_with_other_things(poseplug, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")
    (tmp_path / "mocap").mkdir()
    (tmp_path / "mocap" / "clip.bvh").write_text("HIERARCHY")
    refused = poseplug("run", *NARROW, "--hook", "tensorboard:path=mocap", "--out", "here")
    assert_refused(refused, "mocap' is not empty; give another path")
    assert [p.name for p in tmp_path.rglob("*")] == ["mocap", "clip.bvh"]
    under_a_file = poseplug("run", *NARROW, "--hook", "tensorboard:path=mocap/clip.bvh", "--out", "here")
    assert_refused(under_a_file, "Hook 'tensorboard' cannot write to")


def test_a_killed_run_goes_on_in_its_tensorboard_folder(poseplug, tmp_path, killed_after):
    pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed_after(17, "--hook", "tensorboard:path=board")
    assert poseplug("run", "--resume", "here").exit_code == 0
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert [event.step for event in events.Scalars("supervised")] == [5, 10, 15, 20]


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


def test_snapshots_hold_the_weights_of_every_checkpoint(poseplug, tmp_path):
    from safetensors.torch import load_file

    run(poseplug, "--hook", "snapshots", "--set", "checkpoint_every=8", "--out", "here")
    kept = sorted((tmp_path / "here" / "snapshots").iterdir())
    assert [path.name for path in kept] == [f"{step:08}.safetensors" for step in (8, 16, 20)]
    model = load_file(tmp_path / "here" / "model.safetensors")
    first, last = (load_file(path) for path in (kept[0], kept[-1]))
    assert all((last[f"modules/{name.replace('/', '.', 1)}"] == tensor).all() for name, tensor in model.items())
    assert any((first[name] != last[name]).any() for name in first)
    run(poseplug, "--hook", "snapshots:every=2", "--set", "checkpoint_every=4", "--out", "fewer")
    fewer = sorted((tmp_path / "fewer" / "snapshots").iterdir())
    assert [path.name for path in fewer] == [path.name for path in kept]
    assert all((load_file(fewer[0])[name] == tensor).all() for name, tensor in first.items())


def test_a_snapshot_that_a_killed_run_missed_is_made_when_it_goes_on(poseplug, tmp_path):
    run(poseplug, "--hook", "snapshots", "--out", "here")
    (kept,) = (tmp_path / "here" / "snapshots").iterdir()
    content = kept.read_bytes()
    kept.unlink()
    (tmp_path / "here" / "result.json").unlink()
    assert poseplug("run", "--resume", "here").exit_code == 0
    assert kept.read_bytes() == content
