"""The promise to warn of nothing: what is only printed in one place fails in another, where warnings are errors."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.verdict import located, promise, require, some


@contextmanager
def noted(subject: Subject) -> Iterator[None]:
    """Note every warning in one line, with the place in the component's folder that led to it.

    None is printed and none is raised, whatever filters are set, so that a verdict is the same under pytest. PyTorch,
    which warns of many things once per process, warns every time.
    """

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        line = f"{category.__name__}: {located(message, traceback.extract_stack(), subject.home)}"
        if line not in subject.warned:
            subject.warned.append(line)

    always = torch.is_warn_always_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # Files are closed when the garbage collector comes by, which says nothing about who is being checked.
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.showwarning = note
        torch.set_warn_always(True)
        try:
            yield
        finally:
            torch.set_warn_always(always)


@promise("no_warnings", "it causes no warning")
def no_warnings(subject: Subject) -> None:
    """Use it once more; what was warned of while other promises were checked counts too."""
    subject.use_in_both_modes(subject.ready(endless=True))
    require(not subject.warned, some(subject.warned))
