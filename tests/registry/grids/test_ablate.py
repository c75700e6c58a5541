"""Grids that are run: what they share with separate runs, what is run again, and what survives a kill."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import xarray

from poseplug.core.errors import Interrupted, PoseplugError
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids import estimate
from poseplug.registry.grids.ablate import Watch, ablate
from poseplug.registry.grids.grid import cells_of
from poseplug.registry.grids.grid_file import grid_from
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan

CATALOGUE = load_catalogue()
BASE = {"steps": 4, "batch_size": 8, "lifter": "mlp:channels=8,blocks=1"}
VARY = {"augmentor": ["none", "rigid+jitter"], "lr": [1e-3, 1e-2]}


class Counting(Watch):
    """Counts what is run."""

    def __init__(self):
        self.done, self.failed = [], []

    def ended(self, job, records):
        for record in records:
            (self.done if record.state == "done" else self.failed).append(record.cell)


def run(folder, said, **options):
    watch = Counting()
    dataset = ablate(grid_from(said, CATALOGUE), folder, CATALOGUE, device="cpu", watch=watch, **options)
    return dataset, watch


@pytest.mark.parametrize("jobs", [1, 2])
def test_cells_are_what_separate_runs_are(tmp_path, jobs):
    said = {"seeds": 2, "base": BASE, "vary": VARY}
    dataset, _ = run(tmp_path / "grid", said, jobs=jobs)
    assert (dataset.state == "done").all()
    for cell in cells_of(grid_from(said, CATALOGUE), CATALOGUE):
        if cell.labels["lr"] == 1e-2:
            document = {
                **BASE,
                "lifter": {"name": "mlp", "channels": 8, "blocks": 1},
                "lr": 1e-2,
                "seed": cell.labels["seed"],
            }
            document["augmentor"] = [{"name": n} for n in ("rigid", "jitter") if cell.labels["augmentor"] != "none"]
            alone = RunDirectory(tmp_path / cell.identity)
            found = execute(make_plan(document, CATALOGUE), CATALOGUE, torch.device("cpu"), alone)
            there = dataset.sel(cell.labels)
            values = there.value.sel(evaluation="builtin")
            assert {str(m): values.sel(metric=m).item() for m in values.metric.values} == found["metrics"]["builtin"]
            own = RunDirectory(tmp_path / "grid" / "cells" / cell.identity)
            assert own.model.read_bytes() == alone.model.read_bytes()
            assert own.experiment.read_bytes() == alone.experiment.read_bytes()
            assert not own.checkpoint.exists()


def test_only_what_is_missing_or_has_changed_is_run(tmp_path):
    said = {"base": BASE, "vary": {"lr": [1e-3, 1e-2]}}
    first, watch = run(tmp_path, said)
    assert len(watch.done) == 2
    again, watch = run(tmp_path, said)
    assert not watch.done
    xarray.testing.assert_identical(first.drop_attrs(), again.drop_attrs())
    more, watch = run(tmp_path, {**said, "seeds": 2, "vary": {"lr": [1e-3, 1e-2], "augmentor": ["none"]}})
    assert len(watch.done) == 2
    assert more.value.sel(seed=0, augmentor="none").values.tolist() == first.value.sel(seed=0).values.tolist()
    _, watch = run(tmp_path, {**said, "base": {**BASE, "steps": 5}})
    assert len(watch.done) == 2


def test_arms_go_on_from_the_weights_of_others(tmp_path):
    arms = [{"name": "start"}, {"name": "on", "after": "start", "augmentor": "rigid"}]
    dataset, _ = run(tmp_path / "grid", {"seeds": 2, "base": BASE, "arm": arms}, jobs=2)
    for seed in (0, 1):
        document = {**BASE, "lifter": {"name": "mlp", "channels": 8, "blocks": 1}, "augmentor": [{"name": "rigid"}]}
        document |= {"seed": seed, "pretrained": dataset.folder.sel(arm="start", seed=seed).item()}
        alone = RunDirectory(tmp_path / str(seed))
        execute(make_plan(document, CATALOGUE), CATALOGUE, torch.device("cpu"), alone)
        own = RunDirectory(Path(dataset.folder.sel(arm="on", seed=seed).item()))
        assert own.model.read_bytes() == alone.model.read_bytes()


def test_a_cell_that_fails_stops_nothing_and_is_tried_again_when_asked(tmp_path, monkeypatch):
    said = {
        "base": BASE,
        "arm": [{"name": "bad", "lr": 1e30, "clip_norm": 0.0}, {"name": "on", "after": "bad"}, {"name": "good"}],
    }
    dataset, watch = run(tmp_path, said)
    assert dict(zip(dataset.arm.values, dataset.state.values[:, 0], strict=True)) == {
        "bad": "failed",
        "on": "failed",
        "good": "done",
    }
    assert "not finite" in str(dataset.reason.sel(arm="bad").item()) or "became" in str(
        dataset.reason.sel(arm="bad").item()
    )
    assert str(dataset.reason.sel(arm="on").item()).startswith("it starts from the weights of a cell that failed")
    _, watch = run(tmp_path, said)
    assert not watch.done + watch.failed
    _, watch = run(tmp_path, said, retry=True)
    assert len(watch.failed) == 2
    assert not watch.done


def test_a_grid_of_which_nothing_can_be_is_refused_whole(tmp_path):
    with pytest.raises(PoseplugError, match=r"No cell of this grid can be:\n  There is no lifter 'a'"):
        run(tmp_path / "grid", {"vary": {"lifter": ["a", "b"]}})
    assert not (tmp_path / "grid").exists()


def test_seeds_side_by_side_where_that_can_be(tmp_path):
    said = {"seeds": 2, "together": True, "base": BASE, "vary": {"reweighter": ["none", "cips"]}}
    dataset, _ = run(tmp_path, said)
    assert (dataset.state == "done").all()
    folders = dataset.folder.values
    assert all(folder.endswith(f"seed-{seed}") for folder, seed in zip(folders[0], (0, 1), strict=True))
    for folder in folders.ravel():
        assert RunDirectory(Path(folder)).model.exists()
    again, watch = run(tmp_path, said)
    assert not watch.done
    assert again.drop_attrs().identical(dataset.drop_attrs())


class Stopping(Watch):
    """Asks to stop when the second cell is under way."""

    def __init__(self):
        self.started_cells = 0

    def planned(self, cells, records, workers):
        self.workers = workers

    def started(self, job):
        self.started_cells += 1
        if self.started_cells == 2:
            self.workers.stop()


def test_a_stopped_grid_goes_on_where_it_was(tmp_path):
    said = {"base": BASE, "vary": VARY}
    grid = grid_from(said, CATALOGUE)
    with pytest.raises(Interrupted, match="call it again to go on"):
        ablate(grid, tmp_path / "stopped", CATALOGUE, device="cpu", watch=Stopping())
    _, watch = run(tmp_path / "stopped", said)
    assert len(watch.done) == 3
    run(tmp_path / "undisturbed", said)
    same(tmp_path / "stopped", tmp_path / "undisturbed")


def test_a_dry_run_outlives_what_a_component_of_a_strangers_raises(monkeypatch):
    def build(plan, catalogue, device):
        raise KeyError("lost")

    monkeypatch.setattr(estimate, "build", build)
    found = estimate.estimates(cells_of(grid_from({"base": BASE}, CATALOGUE), CATALOGUE), CATALOGUE, "cpu")
    assert [one.failure for one in found.values()] == ["KeyError: 'lost'"]


class StoppingLate(Stopping):
    """Asks to stop when all is done."""

    def started(self, job):
        pass

    def ended(self, job, records):
        self.workers.stop()


def test_a_grid_that_is_stopped_when_all_is_done_is_done(tmp_path):
    dataset = ablate(grid_from({"base": BASE}, CATALOGUE), tmp_path, CATALOGUE, device="cpu", watch=StoppingLate())
    assert dataset.state.values.tolist() == ["done"]


def same(one, other):
    """Compare two grids' data sets but for times and places, and their models."""
    opened = [xarray.open_dataset(folder / "results.nc").load() for folder in (one, other)]
    plain = [dataset.drop_vars(["seconds", "folder"]).drop_attrs() for dataset in opened]
    xarray.testing.assert_identical(*plain)
    assert {p.name for p in (one / "cells").glob("[0-9a-f]*")} == {p.name for p in (other / "cells").glob("[0-9a-f]*")}
    for path in (other / "cells").glob("[0-9a-f]*/model.safetensors"):
        assert path.read_bytes() == (one / path.relative_to(other)).read_bytes()


KILLED = """
seeds = 2
[base]
steps = 150
batch_size = 16
lifter = "mlp:channels=8,blocks=1"
checkpoint_every = 25
[base.eval]
builtin = "builtin:takes=1,frames=2"
[vary]
augmentor = ["none", "rigid+jitter"]
[[arm]]
name = "first"
[[arm]]
name = "then"
after = "first"
steps = 100
"""


def start(folder, *arguments):
    command = [sys.executable, "-m", "poseplug", "ablate", "grid.toml", "--jobs", "2", "--device", "cpu", *arguments]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def workers_in(folder):
    """Return the worker processes whose log lies in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            log = str((process / "fd" / "2").readlink())
            if "grids.worker" in (process / "cmdline").read_text() and log.startswith(str(folder)):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc to find worker processes")
def test_a_grid_that_is_killed_again_and_again_ends_as_the_undisturbed_one(tmp_path):
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "grid.toml").write_text(KILLED)
    assert start(tmp_path / "undisturbed", "--out", "out").wait(300) == 0
    folder = tmp_path / "killed"
    draw = random.Random(0)
    for number in range(2):
        process = start(folder, "--out", "out")
        time.sleep(draw.uniform(1.5, 5))
        if number and (workers := workers_in(folder)):  # a worker alone is killed: the grid goes on by itself
            os.kill(draw.choice(workers), signal.SIGKILL)
            time.sleep(draw.uniform(0, 2))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    deadline = time.monotonic() + 20
    while workers_in(folder):
        assert time.monotonic() < deadline, "workers outlive the grid"
        time.sleep(0.1)
    assert start(folder, "--out", "out").wait(300) == 0, (folder / "log").read_text()
    same(folder / "out", tmp_path / "undisturbed" / "out")
    lines = [json.loads(line) for line in (folder / "out" / "cells.jsonl").read_text().splitlines() if line]
    assert len(lines) == len({line["cell"] for line in lines}) == 8
