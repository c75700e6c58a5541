"""Checking a component: all promises of its kind, in an order that tells causes from consequences."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import Component
from poseplug.core.kinds import kind_named, kind_names
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
from poseplug.registry.conformance.verdict import Promise, Verdict, judge
from poseplug.registry.discovery.catalogue import Entry, load_catalogue

_OF_KIND = {name: importlib.import_module(f"poseplug.registry.conformance.kinds.{name}") for name in kind_names()}
_MODULES = [
    *((module, kind_names()) for module in (description, construction, configuration, repetition, gradients)),
    *((module, (kind,)) for kind, module in _OF_KIND.items()),
    (no_warnings, kind_names()),  # last: it reports what the others came upon
]
PROMISES = tuple(
    attrs.evolve(made, kinds=made.kinds or kinds)
    for module, kinds in _MODULES
    for made in vars(module).values()
    if isinstance(made, Promise)
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
        PoseplugError: no such kind or device, or settings that the component does not have or allow.
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
        if entry is None:
            target = f"{component.__module__}:{component.__qualname__}"
            entry = next((entry for entry in load_catalogue().of(kind) if entry.target == target), None)
        self.subject = Subject(kind, _OF_KIND[kind], component, settings or {}, entry, pick_device(device))
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, name: str) -> Verdict:
        """Check one promise, after those that it cannot do without."""
        if name not in self._verdicts:
            self._verdicts[name] = self._judge(self.promises[name])
        return self._verdicts[name]

    def verdicts(self, progress: Callable[[str], None] = lambda promise: None) -> list[Verdict]:
        """Check every promise; ``progress`` is told the name of each before it is checked."""
        verdicts = []
        for name in self.promises:
            progress(name)
            verdicts.append(self.verdict(name))
        return verdicts

    def _judge(self, promise: Promise) -> Verdict:
        for need in (name for name in promise.needs if name in self.promises):
            first = self.verdict(need)
            if first.state != "ok":
                reason = f"'{need}' is not kept" if first.state == "failed" else first.reason
                return Verdict(promise.name, "skipped", reason)
        states, threads = RandomStates(), torch.get_num_threads()
        # Batches are small here: on a busy machine, threads that wait for each other take most of the time.
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(False), torch.enable_grad(), noted(self.subject):
                return judge(promise, self.subject)
        finally:
            torch.set_num_threads(threads)
            states.restore()


def check_component(
    kind: str, component: type[Component], settings: Mapping[str, Any] | None = None, *, device: str = "cpu"
) -> list[Verdict]:
    """Check every promise of a component; see ``Checker`` for the arguments, and for what it raises."""
    return Checker(kind, component, settings, device=device).verdicts()


def check_entry(
    entry: Entry,
    settings: Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
    progress: Callable[[str], None] = lambda promise: None,
) -> list[Verdict]:
    """Check a registered component; one whose class cannot be loaded has one verdict, on the promise "loads".

    Args:
        entry: how it is registered.
        settings, device: see ``Checker``.
        progress: called with the name of each promise before it is checked.

    Raises:
        PoseplugError: no such device, or settings that the component does not have or allow.
    """
    try:
        component = entry.load()
    except PoseplugError as error:
        return [Verdict("loads", "failed", str(error), error)]
    return Checker(entry.kind, component, settings, entry=entry, device=device).verdicts(progress)
