"""A plugin from outside the repository does all that parts can do, without a line changed in poseplug."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from installed import leave_facts
from safetensors import safe_open
from typer.testing import CliRunner

from poseplug.cli.main import app

pytestmark = pytest.mark.slow

STEPS = 400
SMALL = ["--batch-size", "16", "--eval", "builtin:split=test,takes=1,frames=8"]
RUN = ["run", "--lifter", "two_part:channels=8", "--objective", "in_bones", "--metric", "worst_joint", *SMALL]
RUN += ["--reference", "builtin", "--set", "reference_weight=0.5", "--set", "checkpoint_every=10", "--steps", STEPS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to work in, with the plugin installed: a distribution on the path, as pip leaves it."""
    folder = tmp_path_factory.mktemp("outside")
    site = folder / "site"
    shutil.copytree(Path(__file__).parent / "outside_plugin", site, ignore=shutil.ignore_patterns("__pycache__"))
    leave_facts(site, "poseplug-outside", "poseplug_outside")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(site)
        patched.chdir(folder)
        yield folder


def poseplug(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def undisturbed(folder):
    poseplug(*RUN, "--out", "undisturbed")
    return folder / "undisturbed"


def result_of(run):
    return json.loads((run / "result.json").read_text())


def facts_in(state):
    with safe_open(state, framework="pt") as file:
        return json.loads(file.metadata()["poseplug"])


def test_every_promise_is_kept(folder):
    names = ["worst_joint", "box_size", "two_part", "flat", "in_bones"]
    rows = json.loads(poseplug("check", *names, "--format", "json"))
    assert {row["name"] for row in rows} == set(names)
    assert {row["verdict"] for row in rows} <= {"ok", "skipped"}


def test_the_lifter_of_every_seed_is_told_of_its_phases(folder):
    poseplug(*RUN[:-1], 20, "--seeds", 2, "--out", "seeds")
    poseplug(*RUN[:-1], 20, "--lifter", "cascade:part=two_part,parts=2", "--seeds", 2, "--out", "cascaded")
    for seed in ("seed-0", "seed-1"):
        lifter = result_of(folder / "seeds" / seed)["diagnostics"]["lifter"]
        assert lifter == {"steps_plane": 6, "steps_depth": 14}
        parts = result_of(folder / "cascaded" / seed)["diagnostics"]["lifter"]
        assert parts == {"parts": 2, **{f"part{i}_steps_{name}": 10 for i in (1, 2) for name in ("plane", "depth")}}


def test_each_part_is_trained_for_its_share_at_its_rate(undisturbed):
    phases = tomllib.loads((undisturbed / "experiment.toml").read_text())["phase"]
    assert [(p["share"], p["trains"], p["lr"]) for p in phases] == [
        (0.3, ["lifter:plane"], 1e-2),
        (0.7, ["lifter:depth"], 2e-3),
    ]
    diagnostics = result_of(undisturbed)["diagnostics"]
    assert diagnostics["lifter"] == {"steps_plane": 0.3 * STEPS, "steps_depth": 0.7 * STEPS}
    optimisers = facts_in(undisturbed / "checkpoint" / "state.safetensors")["roles"]["lifter"]
    assert [optimiser["param_groups"][0]["lr"] for optimiser in optimisers] == [1e-2, 2e-3]


def test_it_learns_and_its_head_makes_metres(undisturbed):
    result = result_of(undisturbed)
    (figures,) = result["metrics"].values()
    assert figures["mpjpe_mm"] < 250
    assert figures["worst_joint_mm"] > figures["mpjpe_mm"]
    (head,) = (found for found in result["diagnostics"].values() if "bone_m" in found)
    assert 0.1 < head["bone_m"] < 0.5
    assert head["labelled"] == 50


def test_killed_and_resumed_it_comes_to_the_same_bytes(folder, undisturbed):
    command = [sys.executable, "-m", "poseplug", *map(str, RUN), "--out", "killed"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    state = folder / "killed" / "checkpoint" / "state.safetensors"
    # In either phase: at a random moment soon after a checkpoint.
    wanted, deadline = random.randrange(STEPS * 2 // 3), time.monotonic() + 120
    while not state.exists() or facts_in(state)["step"] < wanted:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (state.parents[1] / "model.safetensors").exists()
    poseplug("run", "--resume", "killed")
    for name in ("model.safetensors", "experiment.toml"):
        assert (folder / "killed" / name).read_bytes() == (undisturbed / name).read_bytes(), wanted
    for part in ("metrics", "per_action", "diagnostics"):
        assert result_of(folder / "killed")[part] == result_of(undisturbed)[part]


def test_its_metric_is_in_the_table_of_an_evaluation(folder, undisturbed):
    table = poseplug("eval", undisturbed, "--on", "builtin:split=test,takes=1,frames=8")
    assert "worst joint" in table
    assert f"{result_of(undisturbed)['metrics']['builtin']['worst_joint_mm']:.1f}" in table


def test_a_lifter_without_parameters_runs_and_is_evaluated(folder):
    run = [*SMALL, "--steps", 5, "--lifter", "flat:width=2", "--metric", "worst_joint", "--out", "flat", "--json"]
    (figures,) = json.loads(poseplug("run", *run))["metrics"].values()
    again = json.loads(poseplug("eval", "flat", "--json"))
    assert list(again["metrics"].values()) == [figures]
    assert 0 < figures["mpjpe_mm"] < figures["worst_joint_mm"]
