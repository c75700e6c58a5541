"""Run-time hooks: plugins that watch a run, or add to it, without touching the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from poseplug.core.errors import PoseplugError, TrainingFailed, in_words
from poseplug.core.interfaces import Component

if TYPE_CHECKING:
    from torch import Tensor

    from poseplug.core.data.pose_batch import PoseBatch
    from poseplug.core.evaluation.evaluate import Evaluation


@attrs.frozen
class RunFacts:
    """What a hook is told before the first step.

    Attributes:
        experiment: the resolved experiment, as ``experiment.toml`` holds it.
        directory: the run directory; None in a run that keeps nothing.
        steps: how many steps the run has.
        start: the steps already done, in a run that is resumed.
        device: where it computes.
        resumed: whether the run was begun before; it may not have come to a first checkpoint then, and start anew.
    """

    experiment: Mapping[str, Any]
    directory: Path | None
    steps: int
    start: int
    device: str
    resumed: bool = False


class RunHook(Component):
    """Watches a run. Override what you need; what is not overridden is never called.

    Steps and epochs are counted from 1. A hook must not touch random state, nor what it is handed.
    """

    def configure(self, facts: RunFacts) -> None:
        """Everything is built; the first step comes next."""

    def on_batch(self, step: int, poses: PoseBatch) -> PoseBatch | None:
        """These poses are about to be trained on; return others to train on those instead.

        They are what the hook before this one returned, where it replaced them.
        """
        return None

    def on_step(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """A step is done; its losses are still on the device, and reading them makes the host wait."""

    def on_log(self, step: int, means: Mapping[str, float]) -> None:
        """The losses were looked at; ``means`` are their means since the last look."""

    def on_epoch(self, epoch: int) -> None:
        """As many poses as the source holds were drawn once more; endless sources have no epochs."""

    def on_evaluation(self, label: str, evaluation: Evaluation) -> Mapping[str, float] | None:
        """An evaluation is done; return further metrics to keep with its own."""
        return None

    def on_checkpoint(self, step: int, path: Path) -> None:
        """The state was written."""

    def on_report(self, result: Mapping[str, Any], directory: Path) -> None:
        """The run is finished and its directory is complete; ``result`` is the result object."""


@attrs.define(eq=False, slots=False)
class HookSet:
    """The hooks of a run, called one after the other.

    Args:
        hooks: by the name that messages call them.
        on_error: "stop": a hook that raises ends the run. "drop": it is left out from then on, with a warning.
        warn: told of a hook that was dropped.
    """

    _hooks: Mapping[str, RunHook] = attrs.field(factory=dict)
    on_error: str = "stop"
    warn: Callable[[str], None] = lambda message: None
    dropped: dict[str, str] = attrs.field(factory=dict, init=False)
    _listeners: dict[str, list[str]] = attrs.field(factory=dict, init=False)

    def listens(self, event: str) -> bool:
        """Say whether any hook overrides this method."""
        return bool(self._names(event))

    def call(self, event: str, *arguments: object) -> list[Any]:
        """Call a method of every hook that overrides it; return what they return, None for one that is dropped.

        Raises:
            TrainingFailed: a hook raised, and the policy is to stop.
        """
        return [self._ask(name, event, *arguments) for name in tuple(self._names(event))]

    def replace_batch(self, step: int, poses: PoseBatch) -> PoseBatch:
        """Return the poses to train on, after each hook was handed what the one before it made of them.

        Raises:
            TrainingFailed: see ``call``.
        """
        for name in tuple(self._names("on_batch")):
            replaced = self._ask(name, "on_batch", step, poses)
            poses = poses if replaced is None else replaced
        return poses

    def _ask(self, name: str, event: str, *arguments: object) -> Any:
        """Return what one hook says to an event; None where it fails and is dropped."""
        try:
            return getattr(self._hooks[name], event)(*arguments)
        except PoseplugError:
            raise
        except Exception as error:  # a stranger's hook may raise anything
            reason = f"Hook '{name}' failed in {event} ({in_words(error)})"
            if self.on_error == "stop":
                raise TrainingFailed(f"{reason}. Leave it out, or go on without it: --hook-errors drop.") from error
            self.dropped[name] = f"{event}: {in_words(error)}"
            self._hooks = {other: hook for other, hook in self._hooks.items() if other != name}
            self._listeners.clear()
            self.warn(f"{reason}; the run goes on without it.")
            return None

    def _names(self, event: str) -> list[str]:
        if event not in self._listeners:
            plain = getattr(RunHook, event)
            self._listeners[event] = [n for n, hook in self._hooks.items() if getattr(type(hook), event) is not plain]
        return self._listeners[event]
