"""``poseplug ablate`` as a user meets it: what it says before, while and after, and what it refuses."""

import json
import sys

import pytest
import xarray

SHORT = ["--steps", "1", "--batch-size", "4", "--device", "cpu"]
LIFTERS = ["--lifter", "mlp:channels=4", "--lifter", "mlp:channels=8"]


def ablate(poseplug, *arguments):
    result = poseplug("ablate", *SHORT, *arguments)
    assert result.exit_code == 0, result.stderr
    return result


def test_flags_make_a_grid_and_calling_again_does_nothing(poseplug, tmp_path):
    first = ablate(poseplug, *LIFTERS, "--augment", "none", "--augment", "rigid+jitter", "--seeds", "2")
    assert first.stderr.count(": done, builtin ") == 8
    assert "8/8" in first.stderr
    assert "lifter mlp:channels=8, seed 1" in first.stderr.replace("augmentor none, ", "")
    rows = [line.split()[:3] for line in first.stdout.splitlines() if "+-" in line]
    lifters = ("mlp:channels=4", "mlp:channels=8")
    assert rows == [[augmentor, lifter, "2"] for augmentor in ("none", "rigid+jitter") for lifter in lifters]
    again = ablate(poseplug, *LIFTERS, "--augment", "none", "--augment", "rigid+jitter", "--seeds", "2")
    assert "8 of 8 cells had ended before" in again.stderr
    assert ": done" not in again.stderr
    assert again.stdout == first.stdout
    with xarray.open_dataset(tmp_path / "ablations" / "grid" / "results.nc") as dataset:
        assert dict(dataset.value.sizes) == {"augmentor": 2, "lifter": 2, "seed": 2, "evaluation": 1, "metric": 6}


def test_what_cannot_be_is_said_before_anything_runs(poseplug):
    result = ablate(poseplug, *LIFTERS, "--vary", "lr=1e-3", "--lifter", "mlp:foo=1", "--out", "here")
    first = result.stderr.splitlines()[0]
    assert first.startswith("cannot be: lifter mlp:foo=1, lr 0.001, seed 0: ")
    assert "lifter 'mlp' has no setting 'foo'" in first
    assert "2/2" in result.stderr


def test_a_dry_run_lists_cells_and_times_and_writes_nothing(poseplug, tmp_path):
    result = ablate(poseplug, *LIFTERS, "--seeds", "2", "--dry-run")
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    lifters = ("mlp:channels=4", "mlp:channels=8")
    assert [row[:2] for row in rows] == [[lifter, seed] for lifter in lifters for seed in "01"]
    assert all(float(row[2]) >= 0 and row[3] == "s" for row in rows)
    assert "4 cells, 0 of which cannot be" in result.stderr
    assert not list(tmp_path.iterdir())


def test_json_has_every_number_in_its_place(poseplug):
    found = json.loads(ablate(poseplug, *LIFTERS, "--json").stdout)
    assert found["dims"] == ["lifter", "seed", "evaluation", "metric"]
    assert found["coords"]["lifter"] == ["mlp:channels=4", "mlp:channels=8"]
    assert found["state"] == [["done"], ["done"]]
    assert found["value"][0][0][0][0] != found["value"][1][0][0][0]


def test_a_file_and_flags_over_it(poseplug, tmp_path):
    text = '[values]\nn = 4\n[base]\nlifter = "mlp:channels=${n}"\n[vary]\nlr = [1e-3, 1e-2]\n'
    (tmp_path / "grid.toml").write_text(text)
    over = ("--define", "n=8", "--seeds", "2", "--vary", "lr=1e-4", "--set", "weight_decay=0.1")
    result = ablate(poseplug, "grid.toml", *over)
    assert result.stderr.count(": done") == 2
    with xarray.open_dataset(tmp_path / "ablations" / "grid" / "results.nc") as dataset:
        assert dataset.lr.values.tolist() == [1e-4]
        said = json.loads(dataset.attrs["grid"])
    assert said["base"]["lifter"]["channels"] == "8"
    assert said["settings"] == {"weight_decay": "0.1"}


def test_a_flag_for_all_cells_takes_the_place_of_what_the_file_varies(poseplug, tmp_path):
    (tmp_path / "grid.toml").write_text('[vary]\nlifter = ["mlp", "semgcn"]\nlr = [1e-3, 1e-2]\n')
    result = ablate(poseplug, "grid.toml", "--lifter", "mlp:channels=4", "--lr", "0.1", "--seeds", "2")
    assert result.stderr.count(": done") == 2
    assert result.stdout.splitlines()[2].split()[:3] == ["mlp:channels=4", "0.1", "2"]
    with xarray.open_dataset(tmp_path / "ablations" / "grid" / "results.nc") as dataset:
        assert dataset.lifter.values.tolist() == ["mlp:channels=4"]
        assert dataset.lr.values.tolist() == [0.1]


def test_a_grid_of_one_combination_is_a_row(poseplug):
    rows = ablate(poseplug, "--lifter", "mlp:channels=4", "--seeds", "2").stdout.splitlines()
    assert rows[1].split()[:2] == ["grid", "seeds"]
    assert rows[2].split()[:2] == ["all", "2"]
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vary", "lr"], "--vary 'lr' names no alternatives; expected KEY=VALUE,VALUE such as lr=1e-3,3e-4."),
        (["nowhere.toml"], "There is no file 'nowhere.toml'"),
        (["--on", "rai"], "--on 'rai' is no place to run cells. Did you mean 'ray'?"),
        (["--seeds", "0"], "The seeds of a grid are different numbers, at least one; got []."),
        (["--lifter", "mlp+semgcn"], "a run has one lifter; 'mlp+semgcn' are several."),
        (["--lifter", "a", "--lifter", "b"], "No cell of this grid can be:\n  There is no lifter 'a'."),
    ],
)
def test_what_is_refused(poseplug, tmp_path, arguments, said):
    result = poseplug("ablate", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_ray_that_is_not_installed_is_named(poseplug, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = poseplug("ablate", *LIFTERS, "--on", "ray")
    assert result.exit_code == 2
    assert "pip install 'poseplug[ray]'" in result.stderr
