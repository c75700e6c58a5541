import json

import pytest
import xarray

NARROW = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]


def run(poseplug, *arguments):
    result = poseplug("run", *NARROW, *arguments)
    assert result.exit_code == 0, result.stderr
    return result


def test_json_is_alone_on_standard_output_and_equals_the_file(poseplug, tmp_path):
    result = run(poseplug, "--out", "here", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "here" / "result.json").read_text())
    found = json.loads(result.stdout)
    metrics = found["metrics"]["builtin"]
    assert {"mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm", "pck_150", "auc"} <= metrics.keys()
    assert found["components"] == {"lifter": "mlp", "objective": "supervised", "source": "builtin"}
    assert found["steps"] == 4
    assert min(found["build_seconds"], found["seconds"], found["evaluation_seconds"]) > 0
    assert found["seed"] == 0
    assert found["device"] == "cpu"
    assert found["protocol"]["joints"] == 16
    assert {"poseplug", "torch", "poseplug-baselines"} <= found["versions"].keys()
    assert len(found["per_action"]["builtin"]) >= 15


def test_the_table_goes_to_standard_output_and_the_rest_to_standard_error(poseplug):
    result = run(poseplug)
    assert "P-MPJPE" in result.stdout
    assert "builtin" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    assert "step 4/4  supervised" in result.stderr
    assert "runs/builtin-mlp" in result.stderr


def test_runs_without_a_name_get_folders_of_their_own(poseplug, tmp_path):
    for _ in range(2):
        run(poseplug)
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {"builtin-mlp", "builtin-mlp-2"}


def test_a_run_directory_can_be_repeated_evaluated_and_opened(poseplug, tmp_path):
    run(poseplug, "--out", "first", "--seed", "3")
    files = {str(p.relative_to(tmp_path / "first")) for p in (tmp_path / "first").rglob("*") if p.is_file()}
    assert files == {
        "experiment.toml",
        "model.safetensors",
        "checkpoint/state.safetensors",
        "result.json",
        "history.nc",
    }
    again = poseplug("run", "--config", "first/experiment.toml", "--out", "second", "--json")
    first = json.loads((tmp_path / "first" / "result.json").read_text())
    assert json.loads(again.stdout)["metrics"] == first["metrics"]
    model = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert model[0] == model[1]
    assert (tmp_path / "first/experiment.toml").read_text() == (tmp_path / "second/experiment.toml").read_text()
    evaluated = poseplug("eval", "first", "--json")
    assert json.loads(evaluated.stdout)["metrics"] == first["metrics"]
    with xarray.open_dataset(tmp_path / "first" / "history.nc") as data:
        assert float(data.metrics.sel(evaluation="builtin", metric="mpjpe_mm")) == pytest.approx(
            first["metrics"]["builtin"]["mpjpe_mm"]
        )
        assert data.supervised.dims == ("step",)
        assert json.loads(data.attrs["result"]) == first
        assert data.action_metrics.sizes["action"] >= 15


def test_eval_takes_other_sources_and_protocols(poseplug, tmp_path):
    run(poseplug, "--out", "here")
    on = ["--on", "wide=builtin:split=test,cameras=random", "--on", "builtin:split=test"]
    found = json.loads(poseplug("eval", "here", *on, "--protocol", "pose2drep", "--json").stdout)
    assert found["metrics"].keys() == {"wide", "builtin"}
    assert found["protocol"]["joints"] == 15
    assert "wide" in poseplug("eval", "here", *on).stdout


def test_evaluations_of_one_source_are_told_apart(poseplug):
    result = run(poseplug, "--eval", "builtin:split=test", "--eval", "builtin:split=train", "--json")
    assert json.loads(result.stdout)["metrics"].keys() == {"builtin", "builtin-2"}


def test_epochs_are_passes_over_the_source(poseplug):
    arguments = ["--lifter", "mlp:channels=8,blocks=1", "--epochs", "2", "--batch-size", "4096", "--json"]
    steps = json.loads(poseplug("run", *arguments).stdout)["steps"]
    again = json.loads(poseplug("run", *arguments, "--epochs", "4").stdout)["steps"]
    assert again == 2 * steps


def test_settings_come_from_recipe_file_flags_and_set_in_this_order(poseplug, tmp_path):
    (tmp_path / "narrow.toml").write_text('steps = 9\nseed = 5\n[lifter]\nname = "mlp"\nchannels = 8\nblocks = 1\n')
    arguments = ["--recipe", "posegu", "--config", "narrow.toml", "--seed", "6", "--set", "lifter.channels=4"]
    found = json.loads(poseplug("run", *arguments, "--batch-size", "8", "--dry-run", "--json").stdout)
    assert found["source"][0]["name"] == "fk_generator"
    assert found["steps"] == 9
    assert found["seed"] == 6
    assert found["lifter"] == {"name": "mlp", "channels": 4, "blocks": 1, "dropout": 0.25, "initial": "kaiming"}
    without = poseplug("run", *arguments, "--reweight", "none", "--batch-size", "8", "--dry-run", "--json")
    assert "reweighter" not in json.loads(without.stdout)


def test_set_reaches_the_settings_of_the_run_and_labels_with_dots(poseplug):
    settings = ["seeds=2", "epochs=1", "reference_share=0.5", "protocol=pose2drep", "hook_errors=drop", "seed=4"]
    settings += ["eval.lab.2.takes=1", "eval.lab.2.frames=8"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    arguments += ["--batch-size", "8192", "--lifter", "mlp:channels=8", "--eval", "lab.2=builtin:split=test"]
    found = json.loads(poseplug("run", *arguments, "--dry-run", "--json").stdout)
    assert (found["seeds"], found["epochs"], found["seed"]) == (2, 1, 4)
    assert (found["reference_share"], found["protocol"], found["hook_errors"]) == (0.5, "pose2drep", "drop")
    assert (found["eval"]["lab.2"]["takes"], found["eval"]["lab.2"]["frames"]) == (1, 8)


def test_of_a_part_that_there_is_one_of_the_last_flag_counts(poseplug):
    found = run(poseplug, "--lifter", "mlp:channels=4,blocks=1", "--dry-run", "--json")
    assert json.loads(found.stdout)["lifter"]["channels"] == 4


@pytest.mark.parametrize("command", [["list"], ["plugins"], ["show", "semgcn"], ["show", "posegu"], ["list", "recipe"]])
def test_listings_come_as_table_and_as_json(poseplug, command):
    table = poseplug(*command)
    assert table.exit_code == 0
    assert "posegu" in table.stdout or "semgcn" in table.stdout
    found = poseplug(*command, "--format", "json").stdout
    assert json.loads(found)
    assert poseplug(*command, "--json").stdout == found


def test_show_explains_every_setting(poseplug):
    shown = json.loads(poseplug("show", "cips", "--format", "json").stdout)[0]
    assert "PoseGU" in shown["paper"]
    assert all(setting["doc"] and setting["type"] and setting["default"] for setting in shown["settings"])


def test_a_run_can_start_from_a_finished_one(poseplug, tmp_path):
    run(poseplug, "--out", "first", "--steps", "30")
    same = ["--set", "pretrained=first", "--lr", "1e-12", "--steps", "1"]
    started = json.loads(run(poseplug, *same, "--json").stdout)
    first = json.loads((tmp_path / "first" / "result.json").read_text())
    # Batch statistics move a little even where the weights stand still.
    assert started["metrics"]["builtin"]["mpjpe_mm"] == pytest.approx(first["metrics"]["builtin"]["mpjpe_mm"], rel=0.1)
    run(poseplug, *same, "--out", "second")
    model = (tmp_path / "second" / "model.safetensors").read_bytes()
    (tmp_path / "second" / "checkpoint" / "state.safetensors").unlink()  # as if killed before the first checkpoint
    assert poseplug("run", "--resume", "second").exit_code == 0
    assert (tmp_path / "second" / "model.safetensors").read_bytes() == model
    other = poseplug("run", "--lifter", "mlp:channels=9", "--set", "pretrained=first", "--steps", "1")
    assert other.exit_code == 2
    assert "first' is not like this run's" in other.stderr
    bones = poseplug("run", *NARROW, "--source", "builtin:skeleton=h36m17", "--set", "pretrained=first")
    assert bones.exit_code == 2
    assert "is for skeleton 'h36m16', and this run has 'h36m17'" in bones.stderr


@pytest.mark.parametrize("first", ["supervised", "reprojection"])
def test_a_run_that_starts_from_another_has_an_output_head_of_its_own(poseplug, first):
    run(poseplug, "--objective", first, "--out", "first")
    started = run(poseplug, "--objective", "reprojection", "--set", "pretrained=first", "--json")
    assert json.loads(started.stdout)["components"]["objective"] == "reprojection"


def test_phases_come_from_the_experiment_file(poseplug, tmp_path):
    (tmp_path / "phases.toml").write_text(
        'steps = 9\nbatch_size = 8\n[lifter]\nname = "mlp"\nchannels = 8\n[[augmentor]]\nname = "jitter"\n'
        '[[phase]]\nname = "gather"\nsteps = 2\nposes = "drawn"\nkeep = true\n'
        '[[phase]]\nname = "kept"\nsteps = 1\nposes = "kept"\ntrains = ["lifter"]\n'
    )
    result = poseplug("run", "--config", "phases.toml", "--set", "phase.1.lr_factor=0.5", "--out", "here", "--json")
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "here" / "experiment.toml").read_text()
    assert "lr_factor = 0.5" in text
    assert poseplug("run", "--config", "here/experiment.toml", "--out", "again").exit_code == 0
    assert (tmp_path / "again" / "experiment.toml").read_text() == text
    wrong = poseplug("run", "--config", "phases.toml", "--set", "phase.0.trains=[lifer]", "--set", "phase.1.stesp=3")
    assert wrong.exit_code == 2
    assert "got lifer" in wrong.stderr
    assert "Did you mean 'steps'" in wrong.stderr
