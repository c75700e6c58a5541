"""Finished runs as one data set: labels, seeds, protocols that stay apart, and what is not there."""

import json
import shutil

import numpy as np
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.grids.finished_runs import open_results, runs_dataset

NARROW = ["--steps", "3", "--batch-size", "8"]
ON = "builtin:split=test,takes=1,frames=2"


@pytest.fixture
def train(poseplug, tmp_path):
    """Train a tiny run into a folder."""

    def train(out, *arguments, channels=4, on=ON):
        result = poseplug(
            "run",
            *NARROW,
            "--eval",
            f"e={on}",
            "--lifter",
            f"mlp:channels={channels},blocks=1",
            "--out",
            out,
            *arguments,
        )
        assert result.exit_code == 0, result.stderr
        return tmp_path / out

    return train


def stored(folder):
    return json.loads((folder / "result.json").read_text())


def test_seeds_made_by_hand_share_a_label(train):
    a = [train(f"wide-seed-{seed}", "--seed", seed) for seed in (3, 1)]
    b = train("narrow", "--seed", 1, channels=2)
    found = runs_dataset([*a, b])
    assert found["run"].values.tolist() == ["wide", "narrow"]
    assert found["seed"].values.tolist() == [1, 3]
    for folder, run, seed in ((a[0], "wide", 3), (a[1], "wide", 1), (b, "narrow", 1)):
        result, cell = stored(folder), found.sel(run=run, seed=seed)
        for metric, value in result["metrics"]["e"].items():
            assert cell["value"].sel(evaluation="e", metric=metric).item() == value
        assert cell["poses"].item() == result["poses"]["e"]
        assert cell["seconds"].item() == result["seconds"]
        assert cell["folder"].item() == str(folder)
        for action, values in result["per_action"]["e"].items():
            assert cell["action_value"].sel(evaluation="e", action=action, metric="auc").item() == values["auc"]
        for joint, value in result["per_joint"]["e"]["mpjpe_mm"].items():
            assert cell["joint_value"].sel(evaluation="e", joint=joint, metric="mpjpe_mm").item() == value
    missing = found.sel(run="narrow", seed=3)
    assert missing["state"].item() == "missing"
    assert np.isnan(missing["value"]).all()
    assert found["heading"].sel(metric="p_mpjpe_mm").item() == "P-MPJPE"
    assert json.loads(found["protocol"].item())["name"] == "default"
    assert {"poseplug", "torch"} <= json.loads(found.attrs["versions"]).keys()
    assert [document["run"] for document in json.loads(found.attrs["grid"])] == ["wide", "narrow"]


def test_a_run_of_several_seeds_and_a_folder_of_runs(train, tmp_path):
    together = train("all/two", "--seeds", 2, "--seed", 5)
    alone = train("all/one", "--seed", 6)
    found = runs_dataset([tmp_path / "all"])
    assert found.attrs["name"] == "all"
    # The settings are the same, so seed 6 is there twice: once in a group of its own.
    assert found["run"].values.tolist() == ["one", "two"]
    assert found["state"].values.tolist() == [["missing", "done"], ["done", "done"]]
    values = found["value"].sel(metric="mpjpe_mm", evaluation="e")
    assert values.sel(run="two", seed=5).item() == stored(together / "seed-5")["metrics"]["e"]["mpjpe_mm"]
    assert values.sel(run="one", seed=6).item() == stored(alone)["metrics"]["e"]["mpjpe_mm"]
    both = stored(together / "seed-5")["seconds"]
    assert found["seconds"].sel(run="two", seed=5).item() == pytest.approx(both / 2)
    one = runs_dataset([together / "seed-6"])
    assert one["run"].values.tolist() == ["two"]


def test_runs_of_one_name_are_told_apart(train):
    paths = [train("a/run", "--seed", 0), train("b/run", "--seed", 0)]
    assert runs_dataset(paths)["run"].values.tolist() == ["a/run", "b/run"]
    assert runs_dataset([paths[0], paths[0]])["run"].values.tolist() == ["a/run", "a/run (2)"]


def test_protocols_and_sources_that_differ_share_no_evaluation(train):
    first = train("first")
    other = train("other", "--protocol", "pose2drep", channels=2)
    turned = train("turned", on=f"{ON},cameras=random", channels=3)
    found = runs_dataset([first, other, turned])
    default, pose2drep, random = found["evaluation"].values.tolist()
    assert "default" in default
    assert "pose2drep" in pose2drep
    assert "cameras=random" in random
    finite = np.isfinite(found["value"].sel(metric="mpjpe_mm").squeeze("seed").values)
    assert finite.tolist() == np.eye(3, dtype=bool).tolist()
    names = [json.loads(text)["name"] for text in found["protocol"].values]
    assert names == ["default", "pose2drep", "default"]
    apart = runs_dataset([first, other])
    assert apart["evaluation"].values.tolist() == ["e (default)", "e (pose2drep)"]


def test_what_is_not_finished_is_missing_and_says_so(train):
    done, begun = train("done"), train("begun", channels=2)
    (begun / "result.json").unlink()
    found = runs_dataset([done, begun])
    assert found["state"].values.squeeze().tolist() == ["done", "missing"]
    assert "not finished" in found["reason"].sel(run="begun").item()


def test_damage_and_nothing_are_refused(train, tmp_path):
    folder = train("here")
    (folder / "result.json").write_text("{")
    with pytest.raises(PoseplugError, match=r"result.json' is damaged"):
        runs_dataset([folder])
    with pytest.raises(PoseplugError, match="holds no run"):
        runs_dataset([tmp_path / "nowhere"])


def test_a_grid_is_opened_with_the_folders_of_its_cells(trained_grid, tmp_path):
    found = open_results(trained_grid)
    assert found["value"].dims == ("lifter", "augmentor", "seed", "evaluation", "metric")
    folder = found["folder"].sel(lifter="mlp", augmentor="rigid", seed=1).item()
    assert folder == str(trained_grid / "cells" / "mlp+rigid-1")
    assert found["folder"].sel(lifter="mlp", augmentor="broken", seed=1).item() == ""
    with pytest.raises(PoseplugError, match="is a grid, which is looked at by itself"):
        open_results(trained_grid, tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(trained_grid, broken, ignore=shutil.ignore_patterns("cells"))
    (broken / "results.nc").write_bytes(b"no netCDF")
    with pytest.raises(PoseplugError, match=r"results.nc' is damaged"):
        open_results(broken)
