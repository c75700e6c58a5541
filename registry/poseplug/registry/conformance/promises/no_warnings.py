"""The promise to warn of nothing: what is only printed in one place fails in another, where warnings are errors."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from poseplug.registry.conformance.poses import ordinary, some
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.uses import USES, set_training
from poseplug.registry.conformance.verdict import first_line, place, promise, require


@contextmanager
def noted(notes: list[str], home: Path | None) -> Iterator[None]:
    """Note every warning in one line, with the place in the component's folder that led to it.

    None is printed and none is raised, whatever filters are set, so that a verdict is the same under pytest. PyTorch,
    which warns of many things once per process, warns every time.
    """

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        line = f"{category.__name__}: {first_line(message)}{place(traceback.extract_stack(), home)}"
        if line not in notes:
            notes.append(line)

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
    part = subject.ready(endless=True)
    for training in (True, False):
        USES[subject.kind](set_training(part, training), ordinary(8, subject.device))
    require(not subject.warned, some(subject.warned))


PROMISES = (no_warnings,)
