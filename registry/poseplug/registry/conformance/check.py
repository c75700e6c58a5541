"""Checking a component: all promises of its kind, in an order that tells causes from consequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Component
from poseplug.core.kinds import kind_named
from poseplug.core.training.runtime import pick_device
from poseplug.registry.config.read_settings import structure
from poseplug.registry.conformance.promises import (
    configuration,
    construction,
    description,
    gradients,
    no_warnings,
    repetition,
)
from poseplug.registry.conformance.promises.no_warnings import noted
from poseplug.registry.conformance.randomness import RandomStates
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.uses import OF_KIND
from poseplug.registry.conformance.verdict import Promise, Verdict, judge
from poseplug.registry.discovery.catalogue import Entry, load_catalogue

PROMISES: tuple[Promise, ...] = (
    *description.PROMISES,
    *construction.PROMISES,
    *configuration.PROMISES,
    *repetition.PROMISES,
    *gradients.PROMISES,
    *(promise for module in OF_KIND.values() for promise in module.PROMISES),
    *no_warnings.PROMISES,  # last: it reports what the others came upon
)


def promises_of(kind: str) -> tuple[Promise, ...]:
    """Return what components of a kind promise; raise PoseplugError if there is no such kind."""
    return tuple(promise for promise in PROMISES if kind_named(kind).name in promise.kinds)


class Checker:
    """Checks promises of one component, each once.

    Args:
        kind: the component's interface ("lifter", ...).
        component: its class.
        settings: its settings; what is not given keeps its default.
        entry: how it is registered; found among the installed plugins where it is not given.
        device: where to compute.

    Raises:
        PoseplugError: no such kind, or settings that the component does not have or allow.
    """

    def __init__(
        self,
        kind: str,
        component: type[Component],
        settings: Mapping[str, Any] | None = None,
        *,
        entry: Entry | None = None,
        device: str = "cpu",
    ) -> None:
        self.promises = {promise.name: promise for promise in promises_of(kind)}
        if settings:
            structure(component.Config, settings, f"{kind} '{component.__name__}'")
        entry = entry or _registration(kind, component)
        self._subject = Subject(kind, component, settings or {}, entry, pick_device(device))
        self._verdicts: dict[str, Verdict] = {}

    @property
    def home(self) -> Path | None:
        """The folder of the component's module."""
        return self._subject.home

    def verdict(self, name: str) -> Verdict:
        """Check one promise, after those that it cannot do without."""
        if name not in self._verdicts:
            self._verdicts[name] = self._judge(self.promises[name])
        return self._verdicts[name]

    def _judge(self, promise: Promise) -> Verdict:
        for need in (name for name in promise.needs if name in self.promises):
            first = self.verdict(need)
            if first.state == "failed":
                return Verdict(promise.name, "skipped", f"'{need}' is not kept")
            if first.state == "skipped":
                return Verdict(promise.name, "skipped", first.reason)
        states, threads = RandomStates(), torch.get_num_threads()
        # Batches are small here: on a busy machine, threads that wait for each other take most of the time.
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(False), torch.enable_grad(), noted(self._subject.warned, self._subject.home):
                return judge(promise, self._subject)
        finally:
            torch.set_num_threads(threads)
            states.restore()


def _registration(kind: str, component: type) -> Entry | None:
    target = f"{component.__module__}:{component.__qualname__}"
    return next((entry for entry in load_catalogue().of(kind) if entry.target == target), None)


def check_component(
    kind: str,
    component: type[Component],
    settings: Mapping[str, Any] | None = None,
    *,
    entry: Entry | None = None,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda promise: None,
) -> list[Verdict]:
    """Check every promise of a component; see ``Checker`` for the arguments.

    Args:
        progress: called with the name of each promise before it is checked.

    Raises:
        PoseplugError: no such kind or device, or settings that the component does not have or allow.
    """
    checker = Checker(kind, component, settings, entry=entry, device=device)
    verdicts = []
    for name in checker.promises:
        progress(name)
        verdicts.append(checker.verdict(name))
    return verdicts


def check_entry(
    entry: Entry,
    settings: Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda promise: None,
) -> list[Verdict]:
    """Check a registered component; one whose class cannot be loaded has one verdict, on the promise "loads".

    Raises:
        PoseplugError: settings that the component does not have or allow.
    """
    try:
        component = entry.load()
    except PoseplugError as error:
        return [Verdict("loads", "failed", str(error), error)]
    return check_component(entry.kind, component, settings, entry=entry, device=device, progress=progress)
