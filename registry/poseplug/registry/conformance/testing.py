"""The kit as a test: one pytest test for each promise of a component."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from poseplug.core.interfaces import Component
from poseplug.registry.conformance.check import Checker, promises_of
from poseplug.registry.conformance.verdict import Verdict, own_frames


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

    checkers: list[Checker] = []

    @pytest.mark.parametrize("promise", [promise.name for promise in promises_of(kind)])
    def test_promise(promise: str) -> None:
        if not checkers:
            checkers.append(Checker(kind, component, settings, device=device))
        verdict = checkers[0].verdict(promise)
        if verdict.state == "skipped":
            pytest.skip(verdict.reason)
        if verdict.state == "failed":
            statement = checkers[0].promises[promise].statement
            message = f"{component.__name__} breaks its promise '{promise}' ({statement}): {verdict.reason}"
            # Without pytest's own traceback, most of which would be PyTorch's source and the kit's.
            pytest.fail(message + _trace(verdict, checkers[0]), pytrace=False)

    return test_promise


def _trace(verdict: Verdict, checker: Checker) -> str:
    """Return the lines of the component's own code that led to an error, if one was raised there."""
    stack = traceback.extract_tb(verdict.error.__traceback__ if verdict.error else None)
    frames = own_frames(stack, checker.subject.home)
    return "\n" + "".join(traceback.format_list(frames)).rstrip() if frames else ""
