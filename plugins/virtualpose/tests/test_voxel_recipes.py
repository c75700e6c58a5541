"""Recipes of the second stage: what the small one is, that it runs and says where people are; the paper's sizes."""

import json
import tomllib
from pathlib import Path

import pytest

import poseplug_virtualpose
from poseplug_virtualpose.pen import PENConfig
from poseplug_virtualpose.roots.ren import RENConfig

RECIPES = Path(poseplug_virtualpose.__file__).parent / "recipes"
# A moment's run.
TINY = {
    "root.nodes": "[8,4,8]",
    "root.channels": 2,
    "root.depth_channels": 2,
    "lifter.nodes": 8,
    "lifter.channels": 2,
    "eval.scenes.length": 4,
    "input.0.height": 16,
    "input.0.width": 32,
}


def test_the_papers_recipe_has_the_papers_sizes():
    recipe = tomllib.loads((RECIPES / "virtualpose.toml").read_text())
    assert recipe["steps"] * recipe["batch_size"] == 960_000
    assert (recipe["lr"], recipe["lr_schedule"], recipe["clip_norm"]) == (1e-4, "constant", 0.0)
    assert recipe["root"] == {"name": "ren"}
    assert recipe["lifter"] == {"name": "pen"}
    ren, pen = RENConfig(), PENConfig()
    assert (ren.size, ren.nodes, ren.most) == ((8.0, 2.4, 8.0), (80, 24, 80), 10)
    assert (pen.size, pen.nodes, pen.beta) == (2.0, 64, 100.0)
    assert (ren.depth_weight, ren.volume_weight) == (0.1, 1000.0)


@pytest.mark.parametrize("recipe", ["virtualpose", "virtualpose-small"])
def test_a_recipe_trains_root_and_pose_estimation_together(recipe, poseplug, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    short = ["--steps", "2", "--batch-size", "2", "--device", "cpu", "--out", "run", "--json"]
    result = poseplug("run", "--recipe", recipe, *settings, *short)
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["protocol"]["name"] == "virtualpose"
    assert 0 <= said["metrics"]["scenes"]["recall"] <= 100
