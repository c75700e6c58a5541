"""What run-time hooks promise besides what every component does."""

from __future__ import annotations

import copy
import inspect
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache, partialmethod
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.hooks import RunHook
from poseplug.core.interfaces import BuildContext, NoConfig
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.supervised import Supervised
from poseplug.registry.config.resolve import Part, Parts
from poseplug.registry.config.run_settings import RunSettings
from poseplug.registry.conformance.poses import LABELS, Occasion, plausible_poses
from poseplug.registry.conformance.stand_ins import LinearLifter
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_poses
from poseplug.registry.conformance.verdict import Broken, promise, require
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import Plan

EVENTS = tuple(name for name in vars(RunHook) if not name.startswith("_"))
Call = tuple[str, tuple[Any, ...]]


class _Recorder(RunHook):
    """Keeps what every event of a run is called with."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def _keep(self, event: str, *arguments: Any) -> None:
        self.calls.append((event, copy.deepcopy(arguments)))


for _event in EVENTS:
    setattr(_Recorder, _event, partialmethod(_Recorder._keep, _event))


class _Source(PoseTable):
    """The poses of the run."""

    def __init__(self, config: NoConfig, context: BuildContext) -> None:
        super().__init__(plausible_poses(16, H36M_16, context.device, seed=1), dict(LABELS))


def use(part: Any, occasion: Occasion) -> Tensors:
    """Call the hook as a tiny run does, and check what it returns."""
    with tempfile.TemporaryDirectory() as folder:
        for event, arguments in tiny_run(occasion.poses.device, Path(folder)):
            answer = getattr(part, event)(*arguments)
            if event == "on_batch" and answer is not None:
                poses = arguments[1]
                check_poses(answer, len(answer), poses.skeleton, poses.device, "what on_batch returns")
            elif event == "on_evaluation" and answer is not None:
                numbers = isinstance(answer, Mapping) and all(isinstance(v, int | float) for v in answer.values())
                require(numbers, f"on_evaluation returned {answer!r}; expected metrics by name, or None")
            else:
                require(answer is None, f"{event} returned a {type(answer).__name__}; expected nothing")
    return {}


def tiny_run(device: torch.device, folder: Path) -> Iterator[Call]:
    """Give the events of a run of four steps, with copies of what they are called with.

    ``folder`` becomes the run directory that hooks are told, with the files that are there at the end.
    """
    calls, files = _recorded(device)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for event, recorded in calls:
        arguments = list(copy.deepcopy(recorded))
        if event == "configure":
            arguments[0] = attrs.evolve(arguments[0], directory=folder)
        elif event == "on_checkpoint":
            arguments[1] = RunDirectory(folder).checkpoint
        elif event == "on_report":
            arguments[1] = folder
        yield event, tuple(arguments)


@lru_cache(maxsize=2)
def _recorded(device: torch.device) -> tuple[list[Call], dict[str, bytes]]:
    """Return the events of the run, and the files that it leaves behind by their name in the run directory."""
    recorder, source = _Recorder(), Part("stand_in", _Source, NoConfig())
    parts = Parts(
        source={"0": source},
        lifter={"": Part("stand_in", LinearLifter, NoConfig())},
        objective={"": Part("supervised", Supervised, NoConfig())},
        eval={"stand_in": source},
    )
    plan = Plan(RunSettings(steps=4, batch_size=8, log_every=2, checkpoint_every=2), parts)
    with tempfile.TemporaryDirectory() as temporary:
        run = RunDirectory(Path(temporary) / "run")
        execute(plan, Catalogue((), ()), device, run, hooks={"recorder": recorder})
        files = [path for path in run.path.rglob("*") if path.is_file()]
        return recorder.calls, {str(path.relative_to(run.path)): path.read_bytes() for path in files}


@promise("events", "it overrides an event, and takes the arguments that events have", needs=())
def events(subject: Subject) -> None:
    """Compare its methods with those of RunHook."""
    methods = dict(inspect.getmembers(subject.component, inspect.isfunction))
    unknown = sorted(name for name in methods if name.startswith("on_") and name not in EVENTS)
    require(not unknown, f"{', '.join(unknown)}: there is no such event; there are {', '.join(EVENTS)}")
    overridden = [name for name in EVENTS if methods[name] is not getattr(RunHook, name)]
    require(overridden, "overrides no event, so that nothing ever calls it")
    for name in overridden:
        documented = inspect.signature(getattr(RunHook, name))
        try:
            inspect.signature(methods[name]).bind(*documented.parameters)
        except TypeError as error:
            raise Broken(f"{name}{inspect.signature(methods[name])} is called as {name}{documented}: {error}") from None
