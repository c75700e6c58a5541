"""Every mistake a user can make: one message that names the thing, exit code 2, nothing half-written."""

import itertools
import json
import signal

import pytest
import torch

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lifter", "smegcn"], r"no lifter 'smegcn'. Did you mean 'semgcn'\?"),
        (["--lifter", "builtin"], "no lifter 'builtin'. 'builtin' is a source"),
        (["--root", "rem"], r"no root 'rem'. Did you mean 'ren'\?"),
        (["--recipe", "posegoo"], "no recipe 'posegoo'. Did you mean 'posegu'"),
        (["--lifter", "mlp:chanels=3"], "lifter 'mlp' has no setting 'chanels'. Did you mean 'channels'?"),
        (["--lifter", "mlp:channels=many"], "setting 'channels': expected a whole number, got 'many'"),
        (["--lifter", "mlp:channels"], "'channels' in 'mlp:channels' is not a setting; expected mlp:key=value"),
        (["--set", "lifter.dropout=2"], "setting 'dropout': must be at most"),
        (["--set", "stesp=3"], "the experiment has no setting 'stesp'. Did you mean 'steps'"),
        (["--set", "lifter"], "is not an assignment"),
        (["--lr", "-1"], "setting 'lr': must be above 0"),
        (
            ["--seed", "2147483647", "--seeds", "2"],
            "'seed' and 'seeds': the last of 2 seeds from 2147483647 on must be at most 2147483647, got 2147483648",
        ),
        (["--steps", "0"], "setting 'steps': must be at least 1, got 0"),
        (["--precision", "fp8"], "setting 'precision': must be one of fp32, tf32, bf16"),
        (["--protocol", "human36m"], "setting 'protocol': must be one of default, .*; got 'human36m'."),
        (["--set", "seeds=0"], "setting 'seeds': must be at least 1, got 0"),
        (
            ["--set", "epochs=half"],
            "setting 'epochs': expected a whole number or none, got 'half'",
        ),
        (["--set", "reference_share=2"], "setting 'reference_share': must be at most 1, got 2"),
        (
            ["--hook-errors", "stopp"],
            "setting 'hook_errors': must be one of stop, drop; got 'stopp'. Did you mean 'stop'",
        ),
        (["--source", "bvh"], "source 'bvh' needs the setting 'path'"),
        (["--source", "bvh:path=nowhere"], "nowhere"),
        (["--source", "builtin:split=tset"], "must be one of .*; got 'tset'"),
        (["--eval", "bvh:path=nowhere"], "nowhere"),
        (["--config", "nowhere.toml"], "There is no file 'nowhere.toml'"),
        (["--steps", "3", "--epochs", "2"], "give one of them"),
        (["--device", "gpu"], "--device 'gpu' is not known; expected auto, cpu, cuda or cuda:K"),
        (["--resume", "nowhere"], "'nowhere' holds no run"),
        (["--source", "builtin", "--source", "builtin:skeleton=h36m17"], "'h36m16' and 'h36m17' cannot be mixed"),
        (
            ["--source", "builtin:skeleton=h36m17", "--eval", "builtin:split=test,skeleton=h36m16"],
            "The run's skeleton is 'h36m17' .* but evaluation 'builtin' has 'h36m16'",
        ),
        (["--discriminate", "pose2d"], "Discriminator pose2d: nothing in this run learns from it"),
        (["--set", "reference_weight=1"], "says to train on reference poses, .* add --reference"),
        (
            ["--source", "fk_generator", "--reference", "fk_generator"],
            "made from reference poses",
        ),
    ],
)
def test_run_refuses(poseplug, arguments, message):
    result = poseplug("run", *NARROW, *arguments)
    assert result.exit_code == 2
    assert_one_message(result, message)


def assert_one_message(result, message):
    import re

    assert result.stdout == ""
    assert result.stderr.startswith("error:")  # and not that something is made, of which there is nothing
    assert result.stderr.count("error:") == 1
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert not list(result.folder.iterdir())


def test_epochs_of_an_endless_source_are_refused(poseplug):
    result = poseplug("run", "--source", "fk_generator", "--epochs", "2", "--lifter", "mlp:channels=8")
    assert result.exit_code == 2
    assert_one_message(result, "--epochs needs a source with an end, and this run's source is endless; use --steps")


def test_all_problems_of_an_experiment_are_told_at_once(poseplug):
    result = poseplug("run", "--lifter", "mlp:chanels=3,dropout=2", "--source", "bvh", "--lr", "0")
    assert result.exit_code == 2
    for part in ("chanels", "'dropout'", "'path'", "'lr'"):
        assert part in result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_not_silently_replaced(poseplug):
    result = poseplug("run", *NARROW, "--device", "cuda")
    assert result.exit_code == 2
    assert_one_message(result, "--device cuda was asked for, but no CUDA device is available; use --device cpu")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--lifer", "mlp"], "--lifter"), (["--steps", "many"], "'--steps'"), (["--eval"], "--eval")],
)
def test_wrong_flags_are_refused(poseplug, arguments, named):
    result = poseplug("run", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr


def test_a_folder_that_holds_a_run_is_left_alone(poseplug, tmp_path):
    assert poseplug("run", *NARROW, "--out", "here").exit_code == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    result = poseplug("run", *NARROW, "--out", "here")
    assert result.exit_code == 2
    assert "'here' already holds a run; choose another --out, or continue that run with --resume here" in result.stderr
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_folder_with_other_things_is_left_alone(poseplug, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "thesis.tex").write_text("x")
    result = poseplug("run", *NARROW, "--out", "here")
    assert result.exit_code == 2
    assert "'here' exists and is not an empty folder" in result.stderr


def test_resuming_with_other_settings_is_refused(poseplug):
    assert poseplug("run", *NARROW, "--out", "here").exit_code == 0
    result = poseplug("run", "--resume", "here", "--seed", "7", "--lifter", "mlp:channels=9")
    assert result.exit_code == 2
    assert "lifter.channels: 8 -> 9" in result.stderr
    assert "seed: 0 -> 7" in result.stderr
    assert "started with other settings" in result.stderr
    assert poseplug("run", "--resume", "here", *NARROW).exit_code == 0
    other = poseplug("run", "--resume", "here", "--out", "there")
    assert other.exit_code == 2
    assert "leave out --out" in other.stderr


def test_a_loss_gone_nan_fails_and_keeps_the_last_good_state(poseplug, tmp_path):
    settings = ["--set", "checkpoint_every=5", "--set", "log_every=5", "--set", "clip_norm=0"]
    good = poseplug("run", *NARROW, "--steps", "6", *settings, "--out", "good")
    assert good.exit_code == 0
    result = poseplug("run", *NARROW, "--steps", "200", "--lr", "1e30", *settings, "--out", "bad")
    assert result.exit_code == 1
    assert "'supervised' became" in result.stderr
    assert "at step" in result.stderr
    assert "Try a lower --lr" in result.stderr
    assert not (tmp_path / "bad" / "result.json").exists()
    assert not (tmp_path / "bad" / "model.safetensors").exists()


@pytest.mark.parametrize("content", ["", "HIERARCHY\n", "{}"])
def test_damaged_motion_capture_is_named(poseplug, tmp_path, content):
    (tmp_path / "mocap").mkdir()
    (tmp_path / "mocap" / "clip.bvh").write_text(content)
    result = poseplug("run", *NARROW, "--source", "bvh:path=mocap,split=all")
    assert result.exit_code == 2
    assert "clip.bvh" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_eval_refuses_what_is_no_run(poseplug, tmp_path):
    result = poseplug("eval", "nowhere")
    assert result.exit_code == 2
    assert "'nowhere' holds no run" in result.stderr
    assert poseplug("run", *NARROW, "--out", "here").exit_code == 0
    wrong = poseplug("eval", "here", "--on", "builtin:skeleton=h36m17,split=test")
    assert wrong.exit_code == 2
    assert "evaluation 'builtin' has 'h36m17'" in wrong.stderr
    (tmp_path / "here" / "model.safetensors").write_bytes(b"x" * 100)
    damaged = poseplug("eval", "here")
    assert damaged.exit_code == 2
    assert "model.safetensors' is damaged" in damaged.stderr
    (tmp_path / "here" / "model.safetensors").unlink()
    unfinished = poseplug("eval", "here")
    assert unfinished.exit_code == 2
    assert "not finished; finish it with --resume" in unfinished.stderr


def test_show_and_list_refuse_unknown_names(poseplug):
    result = poseplug("show", "semgnc")
    assert result.exit_code == 2
    assert "Did you mean 'semgcn'?" in result.stderr
    result = poseplug("list", "lifters")
    assert result.exit_code == 2
    assert "no kind 'lifters'. Did you mean 'lifter'?" in result.stderr


def press_ctrl_c(monkeypatch, at, times=2):
    """Send SIGINT so many times in the middle of the lifter's pass number ``at``."""
    from poseplug_baselines.perceptron import ResidualPerceptron

    forward, calls = ResidualPerceptron.forward, itertools.count(1)

    def interrupted(self, *inputs, **further):
        for _ in range(times if next(calls) == at else 0):
            signal.raise_signal(signal.SIGINT)
        return forward(self, *inputs, **further)

    monkeypatch.setattr(ResidualPerceptron, "forward", interrupted)


@pytest.mark.parametrize(
    ("at", "times", "message"),
    [
        (6, 1, "Stopped at step 6 of 9; --resume continues it from step 6."),
        (2, 2, "Stopped at once; no checkpoint was written yet, so --resume here starts the run anew."),
        (6, 2, "Stopped at once; --resume here continues the run from its last checkpoint."),
    ],
)
def test_what_ctrl_c_leaves_is_said_as_it_is(poseplug, monkeypatch, at, times, message):
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, at, times)
        done = poseplug("run", *NARROW, "--steps", "9", "--set", "checkpoint_every=4", "--out", "here", "--json")
    assert done.exit_code == 130
    assert done.stdout == ""
    assert message in done.stderr
    assert poseplug("run", "--resume", "here").exit_code == 0


def test_ctrl_c_before_the_first_step_leaves_nothing(poseplug, monkeypatch):
    from poseplug_baselines.perceptron import ResidualPerceptron

    monkeypatch.setattr(ResidualPerceptron, "__init__", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    done = poseplug("run", *NARROW, "--out", "here")
    assert done.exit_code == 130
    assert "Stopped at once; nothing was written." in done.stderr
    assert not list(done.folder.iterdir())


def test_a_run_that_fails_prints_no_json(poseplug):
    """Neither what the user got wrong (2) nor what failed on the way (1) leaves half an object to read."""
    assert poseplug("run", *NARROW, "--out", "good", "--json").exit_code == 0
    failing = {
        ("run", "--lifter", "smegcn"): 2,
        ("run", *NARROW, "--steps", "200", "--lr", "1e30", "--set", "clip_norm=0"): 1,
        ("eval", "nowhere"): 2,
        ("eval", "good", "--on", "bvh:path=nowhere"): 2,
    }
    for command, code in failing.items():
        result = poseplug(*command, "--json")
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.count("error:") == 1
        assert "Traceback" not in result.stderr


def test_a_dry_run_writes_nothing(poseplug, tmp_path):
    result = poseplug("run", *NARROW, "--source", "fk_generator", "--reweight", "cips", "--dry-run", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["lifter"] == {"name": "mlp", "channels": 8, "blocks": 1, "dropout": 0.25, "initial": "kaiming"}
    assert document["reference"]["name"] == "builtin"
    assert not list(tmp_path.iterdir())
