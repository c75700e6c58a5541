"""Jobs on a Ray cluster, which finds machines for them, retries what is lost with a machine, and shares GPUs.

Where the grid's folder is seen by the machine that does a job (a shared file system, or the same machine), the job is
done in it, and goes on from its checkpoint when it is retried. Elsewhere it is done in a temporary folder from its
beginning, and what it leaves is sent back whole. Data must be found under the same path on all machines.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, in_words
from poseplug.registry.discovery.manager import DISABLE_VARIABLE
from poseplug.registry.grids.run_cell import Job, Outcome, run_job
from poseplug.registry.grids.workers import Progress

_RETRIES = 3
Files = dict[str, bytes]


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise PoseplugError("Cells run on a Ray cluster with an extra: pip install 'poseplug[ray]'.") from None
    return ray


class RayWorkers:
    """Does jobs on a cluster.

    Args:
        address: of the cluster; "" starts one on this machine.
        jobs: at most so many at a time; 0 for as many as the cluster has room for.
        cpus: cores for each job.
        gpus: GPUs, or a share of one, for each job; 0 computes on the CPU.
        progress: told when a job begins; machines of a cluster do not tell of their steps.

    Raises:
        PoseplugError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, address: str, jobs: int, cpus: int, gpus: float, progress: Progress) -> None:
        self._ray = _ray()
        self.stopped = False
        self._most, self._cpus, self._gpus, self._progress = jobs, cpus, gpus, progress
        self._jobs: dict[Any, Job] = {}
        try:
            self._ray.init(
                address=address or None, log_to_driver=False, logging_level="error", ignore_reinit_error=True
            )
        except Exception as error:  # of many classes
            raise PoseplugError(
                f"There is no Ray cluster at '{address}' ({in_words(error)}); look at --address."
            ) from None
        kept = {DISABLE_VARIABLE: os.environ[DISABLE_VARIABLE]} if DISABLE_VARIABLE in os.environ else {}
        self._do = self._ray.remote(_do).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_retries=_RETRIES,
            runtime_env={"env_vars": kept} if kept else None,
        )

    @property
    def free(self) -> int:
        if self.stopped:
            return 0
        room = self._most or max(1, int(self._ray.cluster_resources().get("CPU", 1) / self._cpus))
        return max(0, room - self.busy)

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def start(self, job: Job) -> None:
        if job.anew:  # done here, once: when the job is retried, it is to go on from its own checkpoint
            shutil.rmtree(job.folder, ignore_errors=True)
            job = attrs.evolve(job, anew=False)
        start = job.document.get("pretrained")
        needed = _files(Path(start), ("experiment.toml", "model.safetensors")) if start else {}
        mark = _mark(Path(job.folder))
        reference = self._do.remote(attrs.asdict(job), needed, mark, "cuda" if self._gpus else "cpu", self._cpus)
        self._jobs[reference] = job
        if self.stopped:  # while it was being started, so that stop() did not see it
            self._ray.cancel(reference)
        self._progress(job, 0, 1)

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        ended = []
        for reference in self._ray.wait(list(self._jobs), num_returns=1, timeout=seconds)[0] if self._jobs else []:
            job = self._jobs.pop(reference)
            try:
                outcome, files = self._ray.get(reference)
                if files:
                    _write(Path(job.folder), files)
                ended.append((job, Outcome(**outcome)))
            except self._ray.exceptions.RayError as error:
                # A job that somebody else cancelled has failed: taken for stopped, what starts from it waited for ever.
                reason = f"the cluster could not do it, {_RETRIES} retries included ({in_words(error)})"
                ended.append((job, Outcome(stopped=True) if self.stopped else Outcome(failure=reason)))
            except OSError as error:
                ended.append((job, Outcome(failure=f"what the cluster sent back cannot be written: {error}")))
        return ended

    def stop(self) -> None:
        """Cancel all jobs: a machine of the cluster is not asked to end its step, so the last checkpoint counts."""
        self.stopped = True
        for reference in self._jobs:
            self._ray.cancel(reference)

    def close(self) -> None:
        for reference in self._jobs:
            self._ray.cancel(reference, force=True)
        self._ray.shutdown()


def _do(job_facts: Mapping[str, Any], needed: Files, mark: str, device: str, cpus: int) -> tuple[dict[str, Any], Files]:
    """Do a job on a machine of the cluster; return its outcome, and the files that it left if they are not in place."""
    import torch

    torch.set_num_threads(cpus)
    job = Job(**job_facts)
    if mark and _mark(Path(job.folder)) == mark:
        return attrs.asdict(_done(job, device)), {}
    with tempfile.TemporaryDirectory(prefix="poseplug-") as temporary:
        here = attrs.evolve(job, folder=str(Path(temporary) / "cell"))
        if needed:
            _write(Path(temporary) / "start", needed)
            here = attrs.evolve(here, document={**job.document, "pretrained": str(Path(temporary) / "start")})
        outcome = _done(here, device)
        moved = {cell: folder.replace(here.folder, job.folder, 1) for cell, folder in outcome.folders.items()}
        return attrs.asdict(attrs.evolve(outcome, folders=moved)), _files(Path(here.folder))


def _done(job: Job, device: str) -> Outcome:
    return run_job(job, _catalogue(), device, lambda step, steps: None, lambda trainer: None)


@cache
def _catalogue() -> Any:
    from poseplug.registry.discovery.catalogue import load_catalogue

    return load_catalogue()


def _mark(run: Path) -> str:
    """Return what tells a grid's folder from another one of the same path; "" where there is none."""
    grid = run.parent.parent / "grid.json"
    try:
        return f"{grid.stat().st_ino} {hashlib.sha256(grid.read_bytes()).hexdigest()}"
    except OSError:
        return ""


def _files(folder: Path, names: tuple[str, ...] = ()) -> Files:
    """Return the files under a folder, but for training states, or those of these names; what is gone is left out."""
    paths = [folder / name for name in names] or folder.rglob("*")
    kept = [path for path in paths if path.is_file() and path.parent.name != "checkpoint"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def _write(folder: Path, files: Files) -> None:
    """Write files into a folder that is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".coming-") as temporary:
        draft = Path(temporary) / "run"
        for name, content in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
