"""A grid beside its bare cells: what it adds, what a second job gains, and how soon many recorded cells are there."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.ablate import ablate
from poseplug.registry.grids.folder import GridFolder
from poseplug.registry.grids.grid import cells_of
from poseplug.registry.grids.grid_file import grid_from
from poseplug.registry.grids.results import grid_dataset
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan

# About ten seconds a cell on one core: what holds for them holds more easily for longer ones.
BASE = {"steps": 900, "batch_size": 256, "lifter": "mlp:channels=256"}
GRID = {"base": BASE, "vary": {"lr": [1e-3, 2e-3]}}


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


def test_overhead_over_bare_cells(benchmark, tmp_path, catalogue):
    """The same cells, bare and in a grid, in turns in one process; --jobs 1 has no other."""
    cells = cells_of(grid_from(GRID, catalogue), catalogue)
    ratios = []

    def both():
        for folder in tmp_path.iterdir():
            shutil.rmtree(folder)
        bare = time.perf_counter()
        for cell in cells:
            where = RunDirectory(tmp_path / cell.identity)
            execute(make_plan(cell.document, catalogue), catalogue, torch.device("cpu"), where)
        grid = time.perf_counter()
        ablate(grid_from(GRID, catalogue), tmp_path / "grid", catalogue, device="cpu")
        ratios.append((time.perf_counter() - grid) / (grid - bare))

    benchmark.pedantic(both, rounds=2)
    benchmark.extra_info["grid over bare cells"] = round(statistics.mean(ratios), 3)
    assert statistics.mean(ratios) < 1.05


def test_two_jobs(benchmark, tmp_path):
    """Two jobs of one thread each beside one job of one thread, as commands."""
    (tmp_path / "grid.toml").write_text(
        'seeds = 2\n[base]\nsteps = 900\nbatch_size = 256\nlifter = "mlp:channels=256"\n[vary]\nlr = [1e-3, 2e-3]\n'
    )
    ratios = []

    def seconds(jobs):
        out = tmp_path / f"jobs-{jobs}-{len(ratios)}"
        command = [sys.executable, "-m", "poseplug", "ablate", "grid.toml", "--jobs", str(jobs), "--out", out]
        began = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
        return time.perf_counter() - began

    def both():
        one = seconds(1)
        ratios.append(one / seconds(2))

    benchmark.pedantic(both, rounds=2)
    benchmark.extra_info["one job over two"] = round(statistics.mean(ratios), 2)
    assert statistics.mean(ratios) > 1.7


def test_ten_thousand_recorded_cells(benchmark, tmp_path, catalogue):
    """Opened, planned again (nothing is missing) and reported."""
    said = {
        "seeds": 5,
        "vary": {"lr": [i * 1e-5 for i in range(1, 101)], "weight_decay": [i * 1e-3 for i in range(20)]},
    }
    grid = grid_from(said, catalogue)
    cells = cells_of(grid, catalogue)
    result = json.loads((_example(tmp_path / "one", catalogue)).read_text())
    folder = GridFolder(tmp_path / "grid")
    folder.path.mkdir()
    folder.write_grid(grid, cells, "large")
    lines = [json.dumps({"cell": cell.identity, "state": "done", "result": result}) for cell in cells]
    folder.journal.write_text("\n".join(lines) + "\n")
    benchmark.pedantic(lambda: grid_dataset(folder), rounds=3)
    began = time.perf_counter()
    ablate(grid, folder.path, catalogue, device="cpu")
    benchmark.extra_info["called again, s"] = round(time.perf_counter() - began, 1)
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "poseplug",
        "report",
        folder.path,
        "--out",
        tmp_path / "page.html",
        "--no-examples",
    ]
    subprocess.run(command, check=True, capture_output=True)
    benchmark.extra_info["reported, s"] = round(time.perf_counter() - began, 1)


def _example(path: Path, catalogue) -> Path:
    document = {"steps": 1, "batch_size": 4, "lifter": {"name": "mlp", "channels": 8}}
    execute(make_plan(document, catalogue), catalogue, torch.device("cpu"), RunDirectory(path))
    return RunDirectory(path).result
