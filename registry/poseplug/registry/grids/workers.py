"""Where jobs are done: in this process, or in several of this machine. On a Ray cluster: ``on_ray.py``."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.grids.run_cell import Job, Outcome, run_job

# A process that dies in the middle of a job is tried once more: what killed it may have passed.
_TRIES = 2


class Workers(Protocol):
    """Who does jobs.

    Attributes:
        free: how many more jobs may be started now; none once they were asked to stop.
        busy: how many are under way.
        stopped: whether they were asked to stop.
    """

    stopped: bool

    @property
    def free(self) -> int: ...

    @property
    def busy(self) -> int: ...

    def start(self, job: Job) -> None:
        """Begin a job; only while ``free``."""

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Return the jobs that have ended, after at most so many seconds if none has."""

    def stop(self) -> None:
        """Ask all jobs to end early and keep their state; they end as stopped."""

    def close(self) -> None:
        """End at once what is still under way."""


Progress = Callable[[Job, int, int], None]


class InProcess:
    """Does one job at a time, here.

    Args:
        catalogue: where components come from.
        device: where to compute.
        progress: told of (job, step, steps).
    """

    def __init__(self, catalogue: Catalogue, device: str, progress: Progress) -> None:
        self._catalogue, self._device, self._progress = catalogue, device, progress
        self._ended: list[tuple[Job, Outcome]] = []
        self._trainer: Trainer | None = None
        self.stopped = False

    @property
    def free(self) -> int:
        return 0 if self.stopped else 1 - self.busy

    @property
    def busy(self) -> int:
        return len(self._ended)

    def start(self, job: Job) -> None:
        def began(trainer: Trainer) -> None:
            self._trainer = trainer
            if self.stopped:  # to set it to False could undo a stop() that comes in between
                trainer.stop_requested = True

        def tell(step: int, steps: int) -> None:
            self._progress(job, step, steps)

        self._ended.append((job, run_job(job, self._catalogue, self._device, tell, began)))
        self._trainer = None

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        self.stopped = True
        if self._trainer is not None:
            self._trainer.stop_requested = True

    def close(self) -> None:
        pass


class Processes:
    """Does several jobs at a time, each in a process of its own, which shares out the cores or the GPUs.

    They are told what to do by lines of JSON (see ``worker.py``), and end when this process does, however it does.

    Args:
        count: how many.
        device: where to compute; GPUs are dealt out in turn where none is named.
        log: what the processes print goes here.
        progress: told of (job, step, steps), from another thread.
    """

    def __init__(self, count: int, device: str, log: Path, progress: Progress) -> None:
        self._log, self._progress = log, progress
        self._threads = max(1, cores() // count)
        self._idle = deque(devices_for(count, device))
        self._jobs: dict[int, tuple[Job, _Process, int]] = {}
        self._spare: dict[str, _Process] = {}
        self._ended: queue.Queue[tuple[int, Outcome | None]] = queue.Queue()
        self._number = 0
        self.stopped = False

    @property
    def free(self) -> int:
        return 0 if self.stopped else len(self._idle)

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def start(self, job: Job, tries: int = 1) -> None:
        device = self._idle.popleft()
        process = self._spare.pop(device, None) or _Process(device, self._threads, self._log)
        self._number += 1
        number = self._number
        self._jobs[number] = job, process, tries

        def heard(message: Mapping[str, Any] | None) -> None:
            if message is None:
                self._ended.put((number, None))
            elif "step" in message:
                self._progress(job, message["step"], message["steps"])
            else:
                self._ended.put((number, Outcome(**message)))

        process.do(job, heard)
        if self.stopped:  # while the process was being started, so that stop() did not see it
            process.say({"stop": True})

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        try:
            number, outcome = self._ended.get(timeout=seconds)
        except queue.Empty:
            return []
        if number not in self._jobs:  # said twice
            return []
        job, process, tries = self._jobs.pop(number)
        self._idle.append(process.device)
        if outcome is not None:
            self._spare[process.device] = process
            return [(job, outcome)]
        code = process.close()
        if self.stopped:
            return [(job, Outcome(stopped=True))]
        if tries < _TRIES:
            self.start(attrs.evolve(job, anew=False), tries + 1)
            return []
        return [(job, Outcome(failure=f"its process died twice (exit code {code}); see '{self._log}'"))]

    def stop(self) -> None:
        self.stopped = True
        for _, process, _ in self._jobs.values():
            process.say({"stop": True})

    def close(self) -> None:
        for process in [*(process for _, process, _ in self._jobs.values()), *self._spare.values()]:
            process.close()


class _Process:
    """A worker process, and the thread that listens to it."""

    def __init__(self, device: str, threads: int, log: Path) -> None:
        self.device = device
        try:
            with log.open("ab") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "poseplug.registry.grids.worker", device, str(threads)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                    start_new_session=True,  # Ctrl-C is this process's to pass on
                )
        except OSError as error:
            raise PoseplugError(f"Cannot start a process that writes to '{log}': {error}. Try fewer --jobs.") from error
        self._heard: Callable[[Mapping[str, Any] | None], None] = lambda message: None
        self._over = False
        self._listening = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listening.start()

    def _listen(self, lines: IO[bytes]) -> None:
        for line in lines:
            if line.endswith(b"\n"):  # what a killed process has left unfinished says nothing
                self._heard(json.loads(line))
        self._over = True
        self._heard(None)

    def do(self, job: Job, heard: Callable[[Mapping[str, Any] | None], None]) -> None:
        self._heard = heard
        self.say({"job": attrs.asdict(job)})
        if self._over:  # it died before it could be told, and that may have been said of its last job
            heard(None)

    def say(self, message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # of one that is dead; the listening thread says so
            self._process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def close(self) -> int:
        self._heard = lambda message: None
        self._process.kill()
        self._listening.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        return self._process.wait()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices_for(count: int, device: str) -> Sequence[str]:
    """Return a device for each of several processes; where no GPU is named, they are dealt out in turn.

    Names are made different by their number, so that a process can be told by its device: "cuda:0", "cuda:0#1".
    """
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    named = [f"cuda:{i % gpus}" if gpus else device for i in range(count)]
    return [f"{name}#{i}" for i, name in enumerate(named)]
