"""Who does jobs, without doing any: when they are asked to stop, and when they die."""

import sys
import time
from types import SimpleNamespace
from typing import ClassVar

import attrs
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.grids import on_ray, workers
from poseplug.registry.grids.run_cell import Job, Outcome


def job_in(folder):
    return Job(folder=str(folder / "cells" / "a"), document={}, cells={0: "a"})


class FakeProcess:
    """Hears what a worker process would, and dies when it is told to."""

    made: ClassVar[list] = []
    as_it_starts = staticmethod(lambda: None)

    def __init__(self, device, threads, log):
        self.device, self.said = device, []
        self.made.append(self)
        self.as_it_starts()

    def do(self, job, heard):
        self.die = lambda: heard(None)

    def say(self, message):
        self.said.append(message)

    def close(self):
        return -9


@pytest.fixture
def processes(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_Process", FakeProcess)
    monkeypatch.setattr(FakeProcess, "made", [])
    return workers.Processes(1, "cpu", tmp_path / "log", lambda job, step, steps: None)


def test_a_process_that_dies_is_replaced_once(tmp_path, processes):
    processes.start(job_in(tmp_path))
    assert (processes.busy, processes.free) == (1, 0)
    FakeProcess.made[0].die()
    assert processes.wait(0) == []
    assert processes.busy == 1
    FakeProcess.made[1].die()
    ((_, outcome),) = processes.wait(0)
    assert "died twice (exit code -9)" in outcome.failure
    assert (processes.busy, processes.free) == (0, 1)


def test_a_process_that_dies_when_it_was_asked_to_stop_is_not_replaced(tmp_path, processes):
    processes.start(job_in(tmp_path))
    processes.stop()
    assert FakeProcess.made[0].said == [{"stop": True}]
    FakeProcess.made[0].die()
    ((_, outcome),) = processes.wait(0)
    assert outcome == Outcome(stopped=True)
    assert (processes.busy, processes.free, len(FakeProcess.made)) == (0, 0, 1)


def test_a_process_that_was_being_started_is_asked_to_stop_too(tmp_path, processes, monkeypatch):
    monkeypatch.setattr(FakeProcess, "as_it_starts", staticmethod(processes.stop))
    processes.start(job_in(tmp_path))
    assert FakeProcess.made[0].said == [{"stop": True}]


def test_a_job_for_a_process_that_has_died_in_between_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "true")  # ends at once
    process = workers._Process("cpu", 1, tmp_path / "log")
    process._listening.join(10)
    monkeypatch.setattr(process._process, "poll", lambda: None)  # not known to have ended yet
    heard = []
    process.do(job_in(tmp_path), heard.append)
    assert heard == [None]
    process.close()


def test_a_process_that_is_killed_as_it_speaks_has_died(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "true")
    process = workers._Process("cpu", 1, tmp_path / "log")
    process._listening.join(10)
    heard = []
    process._heard = heard.append
    process._listen([b'{"step": 1, "steps": 2}\n', b'{"results": {"a'])
    assert heard == [{"step": 1, "steps": 2}, None]
    process.close()


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    pool = workers.Processes(1, "cpu", tmp_path / "nowhere" / "log", lambda job, step, steps: None)
    with pytest.raises(PoseplugError, match="Cannot start a process that writes to '.*nowhere/log'"):
        pool.start(job_in(tmp_path))


@pytest.mark.parametrize("before", [True, False], ids=["before it trains", "while it trains"])
def test_the_job_of_this_process_is_asked_to_stop(tmp_path, monkeypatch, before):
    here = workers.InProcess(load_catalogue(), "cpu", lambda job, step, steps: None)
    trainer = SimpleNamespace(stop_requested=False)

    def run_job(job, catalogue, device, tell, began):
        if before:
            here.stop()
        began(trainer)
        assert trainer.stop_requested == before
        here.stop()
        return Outcome(stopped=trainer.stop_requested)

    monkeypatch.setattr(workers, "run_job", run_job)
    here.start(job_in(tmp_path))
    assert (here.busy, here.free) == (1, 0)
    ((_, outcome),) = here.wait(0)
    assert outcome.stopped
    assert (here.busy, here.free) == (0, 0)


class FakeRay:
    """A cluster on which every job is lost."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self):
        self.cancelled, self.jobs = [], []
        self.as_it_starts = lambda: None

    def init(self, **options):
        pass

    def remote(self, function):
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=self.start))

    def start(self, job, *arguments):
        self.jobs.append(job)
        self.as_it_starts()
        return time.monotonic_ns()

    def wait(self, references, **options):
        return references[:1], references[1:]

    def get(self, reference):
        raise RuntimeError("cancelled")

    def cancel(self, reference):
        self.cancelled.append(reference)


@pytest.fixture
def ray(monkeypatch):
    fake = FakeRay()
    monkeypatch.setattr(on_ray, "_ray", lambda: fake)
    return fake


def test_a_job_that_the_cluster_loses_has_failed_unless_it_was_asked_to_stop(tmp_path, ray):
    cluster = on_ray.RayWorkers("", 2, 1, 0.0, lambda job, step, steps: None)
    for _ in range(2):
        cluster.start(job_in(tmp_path))
    ((_, outcome),) = cluster.wait(0)
    assert "the cluster could not do it, 3 retries included" in outcome.failure
    cluster.stop()
    assert len(ray.cancelled) == cluster.busy == 1
    assert [outcome for _, outcome in cluster.wait(0)] == [Outcome(stopped=True)]
    assert (cluster.busy, cluster.free) == (0, 0)


def test_a_job_of_a_cluster_that_was_being_started_is_asked_to_stop_too(tmp_path, ray):
    cluster = on_ray.RayWorkers("", 2, 1, 0.0, lambda job, step, steps: None)
    ray.as_it_starts = cluster.stop
    cluster.start(job_in(tmp_path))
    assert len(ray.cancelled) == 1


def test_what_a_cluster_sends_back_must_be_writable(tmp_path, ray):
    ray.get = lambda reference: ({}, {"result.json": b""})
    (tmp_path / "cells").write_text("in the way")
    cluster = on_ray.RayWorkers("", 1, 1, 0.0, lambda job, step, steps: None)
    cluster.start(job_in(tmp_path))
    ((_, outcome),) = cluster.wait(0)
    assert outcome.failure.startswith("what the cluster sent back cannot be written: ")


def test_a_job_of_a_cluster_begins_anew_once_and_goes_on_when_it_is_retried(tmp_path, ray):
    cluster = on_ray.RayWorkers("", 1, 1, 0.0, lambda job, step, steps: None)
    (tmp_path / "cells" / "a" / "checkpoint").mkdir(parents=True)
    cluster.start(attrs.evolve(job_in(tmp_path), anew=True))
    assert not (tmp_path / "cells" / "a").exists()
    assert [job["anew"] for job in ray.jobs] == [False]
