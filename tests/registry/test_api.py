"""poseplug from Python: the same runs, results and refusals as by the command line."""

import json
import os
import subprocess
import sys

import pytest
import torch
import xarray

from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import RunHook
from poseplug.registry import api

NARROW = {"lifter": "mlp:channels=8,blocks=1", "steps": 4, "batch_size": 8}
FLAGS = ["--lifter", "mlp:channels=8,blocks=1", "--steps", "4", "--batch-size", "8"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_the_one_that_the_command_line_makes(poseplug, folder):
    on = "builtin:split=test,takes=1,cameras=random"
    poseplug("run", *FLAGS, "--augment", "rigid", "--augment", "jitter:length=0.1", "--eval", f"own={on}", "--out", "a")
    said = {**NARROW, "augmentor": "rigid+jitter:length=0.1", "eval": {"own": on}}
    run = api.train(said, out="b", device="cpu")
    for name in ("model.safetensors", "experiment.toml"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    assert run == api.load_run("b", "cpu")
    assert run.path == folder / "b"
    assert run.result == json.loads((folder / "b" / "result.json").read_text())
    assert run.result["metrics"] == json.loads((folder / "a" / "result.json").read_text())["metrics"]
    assert run.experiment["lifter"]["channels"] == 8
    assert run.plan.settings.steps == 4
    assert run.seeds == (run,)
    assert not run.model.training
    assert run.history.metrics.sel(evaluation="own", metric="mpjpe_mm") == run.result["metrics"]["own"]["mpjpe_mm"]
    assert run.history.supervised.sizes == {"step": 1}
    assert api.train("b/experiment.toml", out="c", device="cpu").result["metrics"] == run.result["metrics"]


def test_recipes_settings_by_path_and_parts_that_are_taken_out():
    said = {"recipe": "posegu", **NARROW, "lifter.channels": 4, "reweighter": "none"}
    document = api.rehearse(said, device="cpu")
    assert document["source"][0]["name"] == "fk_generator"
    assert document["lifter"]["channels"] == 4
    assert "reweighter" not in document


def test_runs_have_folders_of_their_own_and_are_trained_longer(folder):
    runs = [api.train(NARROW, device="cpu") for _ in range(2)]
    assert [run.path for run in runs] == [folder / "runs" / "builtin-mlp", folder / "runs" / "builtin-mlp-2"]
    longer = api.train({"steps": 6}, out=runs[0].path, resume=True, device="cpu")
    assert longer.result["steps"] == 6
    assert api.train({}, out=runs[0].path, resume=True, device="cpu").result["metrics"] == longer.result["metrics"]
    started = api.train({**NARROW, "pretrained": str(runs[1].path)}, device="cpu")
    assert started.experiment["pretrained"] == str(runs[1].path)


def test_several_seeds_are_runs_of_their_own(poseplug):
    run = api.train({**NARROW, "seeds": 2, "seed": 3}, out="two", device="cpu")
    assert [one.result["seed"] for one in run.seeds] == [3, 4]
    metrics = run.history.metrics.sel(evaluation="builtin", metric="mpjpe_mm")
    for one in run.seeds:
        assert metrics.sel(seed=one.result["seed"]) == one.result["metrics"]["builtin"]["mpjpe_mm"]
        assert one.history.supervised.dims == ("step",)
        xarray.testing.assert_identical(one.history.metrics, run.history.metrics.sel(seed=one.result["seed"]))
        assert one.evaluate()["metrics"] == one.result["metrics"]
    with pytest.raises(PoseplugError, match="choose one of them: .*two/seed-3"):
        _ = run.model
    again = run.evaluate()
    assert again == json.loads(poseplug("eval", str(run.path), "--device", "cpu", "--json").stdout)
    assert again["seeds"] == [3, 4]
    for label, metrics in run.result["metrics"].items():
        assert again["metrics"][label] == pytest.approx(metrics)


def test_a_run_is_evaluated_on_anything(poseplug):
    api.train(NARROW, out="here", device="cpu")
    run = api.load_run("here", device="cpu")
    on = "builtin:split=test,cameras=random"
    found = run.evaluate({"wide": on}, protocol="pose2drep", metrics=["pck:threshold_mm=50"])
    flags = ["--on", f"wide={on}", "--protocol", "pose2drep", "--metric", "pck:threshold_mm=50"]
    assert found["metrics"] == json.loads(poseplug("eval", "here", *flags, "--json").stdout)["metrics"]
    batch = run.plan.parts.several("eval")["builtin"]
    assert batch.name == "builtin"
    assert all(parameter.device == torch.device("cpu") for parameter in run.model.parameters())


def test_hooks_that_are_objects_are_told():
    class Steps(RunHook):
        seen = 0

        def on_step(self, step, losses):
            self.seen = step

    steps = Steps()
    api.train(NARROW, out="here", device="cpu", hooks={"steps": steps})
    assert steps.seen == 4


def test_a_grid_is_run_and_opened(folder):
    grid = {"seeds": 2, "base": NARROW, "vary": {"lifter.channels": [4, 8], "augmentor": ["none", "jitter"]}}
    assert len(api.cells(grid)) == 8
    results = api.ablate({**grid, "seeds": 1}, "grid", device="cpu")
    assert results.value.dims == ("lifter.channels", "augmentor", "seed", "evaluation", "metric")
    assert results.value.shape[:4] == (2, 2, 1, 1)
    assert (results.state == "done").all()
    xarray.testing.assert_identical(results, api.load_grid("grid"))
    cell = results.sel({"lifter.channels": 8, "augmentor": "jitter"}).isel(seed=0)
    alone = api.train({**NARROW, "augmentor": "jitter"}, out="alone", device="cpu")
    assert cell.value.sel(evaluation="builtin", metric="mpjpe_mm") == alone.result["metrics"]["builtin"]["mpjpe_mm"]
    assert api.load_run(str(cell.folder.item())).result["seed"] == 0
    (folder / "grid.toml").write_text('[vary]\nlr = [1e-3, 1e-4]\n[base]\nlifter = "${lifter}"\n')
    assert [cell.document["lifter"]["name"] for cell in api.cells("grid.toml", {"lifter": "semgcn"})] == ["semgcn"] * 2


def test_what_is_installed_and_whether_it_keeps_its_promises(poseplug, folder):
    listed = json.loads(poseplug("list", "--json").stdout)
    assert [(entry.kind, entry.name) for entry in api.components()] == [(one["kind"], one["name"]) for one in listed]
    assert "semgcn" in [entry.name for entry in api.components("lifter")]
    assert "poseplug-baselines" in [plugin.distribution for plugin in api.plugins()]
    ((name, verdicts),) = api.check("ips").items()
    assert name == "reweighter ips"
    assert {verdict.state for verdict in verdicts} <= {"ok", "skipped"}
    assert (api.new("tiny-lifter", "lifter", folder) / "pyproject.toml").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: api.load_run("nowhere"), "'nowhere' holds no run"),
        (lambda: api.load_grid("nowhere"), "holds no grid"),
        (lambda: api.components("lifters"), "no kind 'lifters'. Did you mean 'lifter'"),
        (lambda: api.train({"lifter": "smegcn"}), "no lifter 'smegcn'. Did you mean 'semgcn'"),
        (lambda: api.train({"stesp": 3}), "no setting 'stesp'"),
        (lambda: api.train({"eval": "builtin"}), "'eval' says parts by their labels, in a table; got 'builtin'"),
        (lambda: api.train({}, resume=True), "resumed in its own folder"),
        (lambda: api.train({}, out="nowhere", resume=True), "'nowhere' holds no run"),
        (lambda: api.train("nowhere.toml"), "no file 'nowhere.toml'"),
        (lambda: api.check("smegcn"), "no component 'smegcn'"),
    ],
)
def test_what_cannot_be_is_one_error(folder, call, message):
    with pytest.raises(PoseplugError, match=message):
        call()
    assert not list(folder.iterdir())


def test_a_run_that_is_not_finished_is_not_opened(folder):
    api.train(NARROW, out="here", device="cpu")
    (folder / "here" / "result.json").unlink()
    with pytest.raises(PoseplugError, match="not finished; finish it by resuming it"):
        api.load_run("here")
    with pytest.raises(PoseplugError, match="lr: 0.001 -> 0.5"):
        api.train({"lr": 0.5}, out="here", resume=True)
    assert api.train({}, out="here", resume=True, device="cpu").result["steps"] == 4


def test_looking_around_imports_nothing_heavy():
    code = "import sys; from poseplug.registry import api; api.components(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


NOTEBOOK = """
from poseplug.registry.api import ablate
base = {"lifter": "mlp:channels=8,blocks=1", "steps": 2, "batch_size": 8, "eval": {"few": "builtin:takes=1,frames=2"}}
results = ablate({"base": base, "vary": {"lr": [1e-3, 1e-4]}}, "grid", jobs=2, device="cpu")
assert (results.state == "done").all()
"""


def test_jobs_need_no_main_guard(folder):
    """A notebook has none, and code from standard input has no file that a process could import again."""
    done = subprocess.run(
        [sys.executable, "-"],
        input=NOTEBOOK,
        text=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
