"""A Ray cluster on this machine: its cells are those of this process, also when a worker is killed.

Ray puts the machine's own address in the place of the loopback address.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids import on_ray
from poseplug.registry.grids.ablate import Watch, ablate
from poseplug.registry.grids.grid_file import grid_from

ray = pytest.importorskip("ray", reason="needs pip install 'poseplug[ray]'")

CATALOGUE = load_catalogue()
BASE = {"steps": 400, "batch_size": 16, "lifter": "mlp:channels=8,blocks=1", "checkpoint_every": 20}
SAID = {"base": BASE, "vary": {"lr": [1e-3, 1e-2]}, "arm": [{"name": "first"}, {"name": "then", "after": "first"}]}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=2)
    yield cluster.address
    cluster.shutdown()


class KillingOne(Watch):
    """Kills the process that does the first cell once it has written a checkpoint."""

    def __init__(self):
        self.killed = 0

    def progress(self, job, step, steps):
        if self.killed:
            return
        deadline = time.monotonic() + 60
        while not (Path(job.folder) / "checkpoint" / "state.safetensors").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cmdline").read_text().startswith("ray::_do"):
                    os.kill(int(process.name), signal.SIGKILL)
                    self.killed += 1


def mpjpe(dataset):
    return dataset.value.sel(metric="mpjpe_mm").values.tolist()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The grid as this process does it."""
    return mpjpe(ablate(grid_from(SAID, CATALOGUE), tmp_path_factory.mktemp("here"), CATALOGUE, device="cpu"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("shared", [True, False], ids=["in the grid's folder", "sent back"])
def test_a_cluster_gives_what_this_process_gives_also_when_a_worker_is_killed(
    tmp_path, cluster, here, monkeypatch, shared
):
    watch = KillingOne()
    if not shared:
        monkeypatch.setattr(on_ray, "_mark", lambda run: "")
        watch.killed = -1
    dataset = ablate(
        grid_from(SAID, CATALOGUE),
        tmp_path,
        CATALOGUE,
        workers=lambda progress: on_ray.RayWorkers(cluster, 0, 1, 0.0, progress),
        watch=watch,
    )
    assert mpjpe(dataset) == here
    if shared:
        assert watch.killed >= 1
    for folder in dataset.folder.values.ravel():
        assert {p.name for p in Path(folder).iterdir()} == {
            "experiment.toml",
            "model.safetensors",
            "result.json",
            "history.nc",
        }
