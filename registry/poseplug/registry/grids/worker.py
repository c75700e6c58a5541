"""A worker process of a grid: ``python -m poseplug.registry.grids.worker DEVICE THREADS``.

It reads jobs as lines of JSON from standard input, does one after the other, and writes how far it is and how each has
ended as lines of JSON to standard output. When its input ends, so does it, wherever it is.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import Any

import attrs
import torch

from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids.run_cell import Job, run_job


class Worker:
    """Does the jobs that come in over a stream of lines."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._jobs: queue.Queue[Job] = queue.Queue()
        self._trainer: Trainer | None = None
        self._stopping = False
        # Standard output belongs to the protocol: what plugins print goes to the log.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)

    def listen(self) -> None:
        """Take jobs and requests to stop, until the input ends."""
        for line in sys.stdin:
            message = json.loads(line)
            if "job" in message:
                job = message["job"]
                self._jobs.put(Job(**{**job, "cells": {int(seed): cell for seed, cell in job["cells"].items()}}))
            else:
                self._stopping = True
                if self._trainer is not None:
                    self._trainer.stop_requested = True
        os._exit(1)  # nobody is there to work for

    def _say(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message) + "\n")

    def _began(self, trainer: Trainer) -> None:
        self._trainer = trainer
        if self._stopping:  # to set it to False could undo what the other thread asks in between
            trainer.stop_requested = True

    def work(self) -> None:
        """Do jobs for ever."""
        catalogue = load_catalogue()
        while True:
            job = self._jobs.get()
            outcome = run_job(
                job, catalogue, self._device, lambda step, steps: self._say({"step": step, "steps": steps}), self._began
            )
            self._trainer = None
            self._say(attrs.asdict(outcome))


def main() -> None:
    """Work until the input ends."""
    device, threads = sys.argv[1].partition("#")[0], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    worker = Worker(device)
    threading.Thread(target=worker.listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
