"""How long a grid will take, from a few timed steps of each kind of cell."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError, in_words
from poseplug.core.evaluation.evaluate import evaluate
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training.runtime import pick_device
from poseplug.core.training.schedule import Phase, Schedule
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.grids.grid import SEED, Cell
from poseplug.registry.runs.build import Run, build
from poseplug.registry.runs.plan import Plan, make_plan

_STEPS = 4  # of each phase, of which the first is not timed
_POSES = 1024  # of each evaluation that are timed
_MOST = 8  # kinds of cells that are timed; the others take the mean


@attrs.frozen
class Estimate:
    """What a kind of cell takes.

    Attributes:
        seconds: of a cell.
        timed: whether it was timed; else it is the mean of those that were.
        failure: why it could not be timed: its cells will fail alike.
    """

    seconds: float
    timed: bool = True
    failure: str = ""


def kind_of(cell: Cell) -> tuple[Any, ...]:
    """Return what cells of one kind have in common: everything but the seed."""
    return tuple(label for name, label in cell.labels.items() if name != SEED)


def estimates(
    cells: Sequence[Cell],
    catalogue: Catalogue,
    device: str,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[tuple[Any, ...], Estimate]:
    """Return what cells of each kind take, by ``kind_of``; of cells that cannot be there is none.

    Args:
        cells: of a grid.
        catalogue: where components come from.
        device: where to compute.
        progress: told how many kinds are timed, and of how many.
    """
    kinds = {kind_of(cell): cell for cell in cells if not cell.obstacle}
    stride = -(-len(kinds) // _MOST)
    wanted = list(kinds)[::stride] if kinds else []
    found: dict[tuple[Any, ...], Estimate] = {}
    for number, kind in enumerate(wanted):
        progress(number, len(wanted))
        found[kind] = _time(kinds[kind], catalogue, pick_device(device))
    known = [one.seconds for one in found.values() if not one.failure]
    mean = statistics.fmean(known) if known else 0.0
    return {kind: found.get(kind, Estimate(mean, timed=False)) for kind in kinds}


def _time(cell: Cell, catalogue: Catalogue, device: torch.device) -> Estimate:
    began = time.perf_counter()
    try:
        plan = make_plan(cell.document, catalogue)
        run = build(plan, catalogue, device)
        built = time.perf_counter() - began
        return Estimate(built + _training(run, plan.phases, device) + _evaluation(run, plan, device))
    except PoseplugError as error:
        return Estimate(0.0, failure=str(error))
    except Exception as error:  # a stranger's component may fail in any way, and stops no other cell
        return Estimate(0.0, failure=in_words(error))


class _Clock(RunHook):
    """Notes when each step was done."""

    def __init__(self, device: torch.device) -> None:
        self._device, self.times = device, [0.0]

    def on_step(self, step: int, losses: Mapping[str, Any]) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.times.append(time.perf_counter())


def _training(run: Run, phases: Sequence[Phase], device: torch.device) -> float:
    """Return the seconds that the steps of a run take: each phase is timed, and counts for as many steps as it has."""
    schedule = Schedule(phases, run.training.steps)
    short = [attrs.evolve(phase, steps=_STEPS, share=None, first_cycle=1, last_cycle=None) for phase in schedule.phases]
    clock = _Clock(device)
    settings = attrs.evolve(run.training, steps=_STEPS * len(short), checkpoint_every=10**9, log_every=10**9)
    Trainer(run.assembly, settings, device, hooks=HookSet({"clock": clock}), phases=short).run()
    seconds = 0.0
    for number, phase in enumerate(schedule.phases):
        times = clock.times[number * _STEPS + 1 : (number + 1) * _STEPS + 1]
        seconds += schedule.updates(1, partial(operator.is_, phase)) * (times[-1] - times[0]) / (_STEPS - 1)
    return seconds


def _evaluation(run: Run, plan: Plan, device: torch.device) -> float:
    """Return the seconds that the evaluations of a run take: a batch is timed."""
    seconds = 0.0
    for source in run.evaluations.values():
        poses = len(source) if isinstance(source, FiniteSource) else plan.settings.eval_poses
        batch = source.sample(min(poses, _POSES), torch.Generator(device).manual_seed(0))
        sample: PoseSource = PoseTable(batch, dict(source.label_names))
        began = time.perf_counter()
        evaluate(*(run.assembly.model, sample, plan.protocol, run.metrics), batch_size=plan.settings.eval_batch_size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds += (time.perf_counter() - began) * poses / batch.num_scenes
    return seconds
