"""Checking a component: all promises of its kind, in an order that tells causes from consequences."""

from __future__ import annotations

import importlib
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
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
    exporting,
    gradients,
    repetition,
    scenes,
)
from poseplug.registry.conformance.randomness import RandomStates
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.verdict import Broken, NotChecked, Promise, Verdict
from poseplug.registry.discovery.catalogue import Entry, load_catalogue
from poseplug.registry.discovery.manager import strangers_code

_OF_KIND = {name: importlib.import_module(f"poseplug.registry.conformance.kinds.{name}") for name in kind_names()}
_MODULES = [
    *(
        (module, kind_names())
        for module in (description, construction, configuration, repetition, gradients, scenes, exporting)
    ),
    *((module, (kind,)) for kind, module in _OF_KIND.items()),
]
_ALL = [
    attrs.evolve(made, kinds=made.kinds or kinds)
    for module, kinds in _MODULES
    for made in vars(module).values()
    if isinstance(made, Promise)
]
# The one about warnings comes last: it reports what the others came upon.
PROMISES = tuple(sorted(_ALL, key=lambda promise: promise.name == "no_warnings"))


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

    def verdicts(self, progress: Callable[[str], None] = lambda promise: None) -> list[Verdict]:
        """Check every promise; ``progress`` is called with the name of each before it is checked."""
        verdicts = []
        for name in self.promises:
            progress(name)
            verdicts.append(self.verdict(name))
        return verdicts

    def verdict(self, name: str) -> Verdict:
        """Check one promise, after those that it cannot do without."""
        if name not in self._verdicts:
            needed = (self.verdict(need) for need in self.promises[name].needs if need in self.promises)
            missing = next((verdict for verdict in needed if verdict.state != "ok"), None)
            if missing is None:
                self._verdicts[name] = self._judge(self.promises[name])
            else:
                reason = f"'{missing.promise}' is not kept" if missing.state == "failed" else missing.reason
                self._verdicts[name] = Verdict(name, "skipped", reason)
        return self._verdicts[name]

    def _judge(self, promise: Promise) -> Verdict:
        with strangers_code():
            try:
                with _conditions(self.subject):
                    promise.check(self.subject)
            except NotChecked as reason:
                return Verdict(promise.name, "skipped", str(reason))
            except Broken as broken:
                return Verdict(promise.name, "failed", str(broken), broken)
            except BaseException as error:
                # A component may tell its user, as it should, that an optional package is not installed.
                if isinstance(error, PoseplugError) and isinstance(error.__cause__ or error.__context__, ImportError):
                    return Verdict(promise.name, "skipped", str(error))
                return Verdict(promise.name, "failed", self.subject.describe(error), error)
        return Verdict(promise.name, "ok")


@contextmanager
def _conditions(subject: Subject) -> Iterator[None]:
    """Record gradients, note every warning, and leave the caller's modes, threads and random states alone.

    A warning is noted in one line, with the place in the component's folder that led to it. None is printed and none is
    raised, whatever filters are set, so that a verdict is the same under pytest. PyTorch, which warns of many things
    once per process, warns every time.
    """

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        line = f"{category.__name__}: {subject.located(message, traceback.extract_stack())}"
        if line not in subject.warned:
            subject.warned.append(line)

    states, threads, always = RandomStates(), torch.get_num_threads(), torch.is_warn_always_enabled()
    # Batches are small here: on a busy machine, threads that wait for each other take most of the time.
    torch.set_num_threads(1)
    torch.set_warn_always(True)
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("always")
            # Files are closed when the garbage collector comes by, which says nothing about who is being checked.
            warnings.simplefilter("ignore", ResourceWarning)
            warnings.showwarning = note
            yield
    finally:
        torch.set_warn_always(always)
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

    ``progress`` is called with the name of each promise before it is checked; see ``Checker`` for the rest.
    """
    try:
        component = entry.load()
    except PoseplugError as error:
        return [Verdict("loads", "failed", str(error), error)]
    return Checker(entry.kind, component, settings, entry=entry, device=device).verdicts(progress)


def conformance_tests(
    kind: str, component: type[Component], settings: Mapping[str, Any] | None = None, *, device: str = "cpu"
) -> Callable[[str], None]:
    """Return a test function with one case for each promise; pytest must be installed.

    In a plugin's own tests::

        from poseplug.registry.conformance import conformance_tests
        from my_plugin.my_lifter import MyLifter

        test_my_lifter = conformance_tests("lifter", MyLifter)

    Args:
        kind: the component's interface ("lifter", ...).
        component: its class.
        settings: its settings; what is not given keeps its default.
        device: where to compute.
    """
    import pytest

    @cache
    def checker() -> Checker:
        return Checker(kind, component, settings, device=device)

    @pytest.mark.parametrize("promise", [promise.name for promise in promises_of(kind)])
    def test_promise(promise: str) -> None:
        verdict = checker().verdict(promise)
        if verdict.state == "skipped":
            pytest.skip(verdict.reason)
        if verdict.state == "failed":
            statement = checker().promises[promise].statement
            message = f"{component.__name__} breaks its promise '{promise}' ({statement}): {verdict.reason}"
            # Without pytest's own traceback, most of which would be PyTorch's source and the kit's.
            stack = traceback.extract_tb(verdict.error.__traceback__ if verdict.error else None)
            lines = traceback.format_list(checker().subject.own_frames(stack))
            pytest.fail("\n".join([message, *lines]).rstrip(), pytrace=False)

    return test_promise
