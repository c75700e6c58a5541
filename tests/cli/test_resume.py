"""``poseplug run --resume RUN --steps N``: a run trained longer; ``--from RUN``: one that starts from its weights."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import xarray

from poseplug.registry.runs import resume

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]
CONSTANT = ["--set", "lr_schedule=constant"]


def run(poseplug, *arguments):
    result = poseplug("run", *arguments)
    assert result.exit_code == 0, result.stderr
    return result


def same_model(*folders):
    first, *others = [(folder / "model.safetensors").read_bytes() for folder in folders]
    return all(other == first for other in others)


def test_a_finished_run_is_trained_longer(poseplug, tmp_path):
    run(poseplug, *NARROW, *CONSTANT, "--steps", "9", "--out", "whole")
    run(poseplug, *NARROW, *CONSTANT, "--out", "here")
    longer = json.loads(run(poseplug, "--resume", "here", "--steps", "9", "--json").stdout)
    here, whole = tmp_path / "here", tmp_path / "whole"
    assert same_model(here, whole)
    assert longer["steps"] == 9
    assert longer == json.loads((here / "result.json").read_text())
    assert longer["metrics"] == json.loads((whole / "result.json").read_text())["metrics"]
    assert (here / "experiment.toml").read_text() == (whole / "experiment.toml").read_text()
    with xarray.open_dataset(here / "history.nc") as data:
        assert data.step.values.tolist() == [4, 9]
    # From then on it is a run of nine steps; so many may be asked for again.
    again = run(poseplug, "--resume", "here", *NARROW, *CONSTANT, "--steps", "9")
    assert "step 9/9" not in again.stderr
    assert same_model(here, whole)


def test_several_seeds_are_trained_longer(poseplug, tmp_path):
    run(poseplug, *NARROW, *CONSTANT, "--steps", "9", "--seeds", "2", "--out", "whole")
    run(poseplug, *NARROW, *CONSTANT, "--seeds", "2", "--out", "here")
    run(poseplug, "--resume", "here", "--steps", "9")
    for seed in ("seed-0", "seed-1"):
        assert same_model(tmp_path / "here" / seed, tmp_path / "whole" / seed)
        assert "steps = 9\n" in (tmp_path / "here" / seed / "experiment.toml").read_text()


def test_epochs_and_steps_take_each_others_place(poseplug, tmp_path):
    few = ["--lifter", "mlp:channels=8,blocks=1", "--batch-size", "4096", "--epochs", "1"]
    first = json.loads(run(poseplug, *few, "--out", "here", "--json").stdout)["steps"]
    assert json.loads(run(poseplug, "--resume", "here", "--epochs", "2", "--json").stdout)["steps"] == 2 * first
    assert "epochs = 2\n" in (tmp_path / "here" / "experiment.toml").read_text()
    steps = 2 * first + 1
    assert json.loads(run(poseplug, "--resume", "here", "--steps", steps, "--json").stdout)["steps"] == steps
    assert "epochs" not in (tmp_path / "here" / "experiment.toml").read_text()


def refused(poseplug, folder, *arguments):
    """Return the one message that tells why, after a look that nothing has changed."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = poseplug("run", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error:")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return result.stderr


def test_what_cannot_be_is_refused(poseplug, tmp_path):
    here, several = tmp_path / "here", tmp_path / "several"
    run(poseplug, *NARROW, "--out", "here")
    run(poseplug, *NARROW, "--seeds", "2", "--out", "several")
    fewer = refused(poseplug, here, "--resume", "here", "--steps", "3")
    assert "4 steps of this run are done, more than the 3 that were asked for" in fewer
    other = refused(poseplug, here, "--resume", "here", "--steps", "9", "--lr", "1e-4", "--from", "several/seed-0")
    assert "lr: 0.001 -> 0.0001" in other
    assert "pretrained: None -> " in other
    assert "steps" not in other.replace("'steps'", "")
    for folder in (here, several):
        (folder / "checkpoint" / "state.safetensors").unlink()
    gone = refused(poseplug, here, "--resume", "here", "--steps", "9")
    assert "'here' is finished and its checkpoint is gone" in gone
    assert "--from here." in gone
    assert "--from several/seed-0." in refused(poseplug, several, "--resume", "several", "--steps", "9")


def test_a_run_that_was_stopped_may_be_given_other_steps(poseplug, tmp_path, monkeypatch):
    from tests.cli.test_errors import press_ctrl_c

    run(poseplug, *NARROW, *CONSTANT, "--steps", "7", "--out", "whole")
    for steps in ("7", "4"):
        with monkeypatch.context() as patch:
            press_ctrl_c(patch, at=4, times=1)
            assert poseplug("run", *NARROW, *CONSTANT, "--steps", "20", "--out", steps).exit_code == 130
        assert run(poseplug, "--resume", steps, "--steps", steps)
    assert same_model(tmp_path / "7", tmp_path / "whole")
    assert json.loads((tmp_path / "4" / "result.json").read_text())["steps"] == 4


KILLED = """
import os, signal, sys
from poseplug.core.training.training_step import TrainingStep
TrainingStep.run = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["poseplug", "run", "--resume", "here", "--steps", "9"]
from poseplug.cli.main import main
main()
"""


def test_one_that_is_killed_while_it_is_trained_longer_is_unfinished_and_goes_on(poseplug, tmp_path):
    schedule = ["--set", "lr_schedule=onecycle"]
    for name in ("here", "undisturbed"):
        run(poseplug, *NARROW, *schedule, "--out", name)
    run(poseplug, "--resume", "undisturbed", "--steps", "9")
    assert subprocess.run([sys.executable, "-c", KILLED], capture_output=True).returncode == -signal.SIGKILL
    refused = poseplug("eval", "here")
    assert refused.exit_code == 2
    assert "holds a run that is not finished; finish it with --resume" in refused.stderr
    assert json.loads(run(poseplug, "--resume", "here", "--json").stdout)["steps"] == 9
    assert same_model(tmp_path / "here", tmp_path / "undisturbed")


def test_one_that_is_killed_before_its_new_length_is_noted_is_the_old_one_unfinished(poseplug, tmp_path, monkeypatch):
    run(poseplug, *NARROW, *CONSTANT, "--steps", "9", "--out", "whole")
    run(poseplug, *NARROW, *CONSTANT, "--out", "short")
    for name in ("old", "new"):
        shutil.copytree(tmp_path / "short", tmp_path / name)
        with monkeypatch.context() as killing:
            killing.setattr(resume, "write_document", lambda path, document: signal.raise_signal(signal.SIGINT))
            assert poseplug("run", "--resume", name, "--steps", "9").exit_code == 130
        assert {path.name for path in (tmp_path / name).iterdir()} == {"experiment.toml", "checkpoint"}
    run(poseplug, "--resume", "old")
    assert same_model(tmp_path / "old", tmp_path / "short")
    run(poseplug, "--resume", "new", "--steps", "9")
    assert same_model(tmp_path / "new", tmp_path / "whole")


def test_a_run_starts_from_anothers_weights(poseplug, tmp_path):
    run(poseplug, *NARROW, "--out", "first", "--seeds", "2")
    one_step = [*NARROW, "--steps", "1", "--lr", "1e-12"]
    run(poseplug, *one_step, "--from", "first/seed-1", "--out", "second")
    text = (tmp_path / "second" / "experiment.toml").read_text()
    assert f'pretrained = "{tmp_path}/first/seed-1"' in text
    run(poseplug, *one_step, "--set", "pretrained=first/seed-1", "--out", "third")
    assert same_model(tmp_path / "second", tmp_path / "third")
    run(poseplug, "--resume", "second", "--steps", "2")
    assert f'pretrained = "{tmp_path}/first/seed-1"' in (tmp_path / "second" / "experiment.toml").read_text()
    assert "first/seed-0, " in refused(poseplug, tmp_path, *NARROW, "--from", "first")
    wide = [*NARROW, "--lifter", "mlp:channels=9,blocks=1", "--from", "first/seed-0"]
    assert "is not like this run's" in refused(poseplug, tmp_path, *wide)
    assert "is not like this run's" in refused(poseplug, tmp_path, *wide, "--dry-run")
    assert "nowhere' holds no run" in refused(poseplug, tmp_path, *NARROW, "--from", "nowhere")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("--from ru", ["runs/a", "runs/b"]),
        ("--from runs/", ["runs/a", "runs/a/seed-0", "runs/b"]),
        ("--resume runs/b", ["runs/b"]),
        ("--from else", []),
    ],
)
def test_runs_are_completed(tmp_path, typed, offered):
    for folder in ("runs/a", "runs/a/seed-0", "runs/b", "runs/empty", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        if folder not in ("runs/empty", "elsewhere"):
            (tmp_path / folder / "experiment.toml").write_text("")
    words = {"_POSEPLUG_COMPLETE": "complete_bash", "COMP_WORDS": f"poseplug run {typed}", "COMP_CWORD": "3"}
    code = "import sys; sys.argv = ['poseplug']; from poseplug.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, **words}, capture_output=True, text=True
    )
    assert done.stdout.split() == offered
