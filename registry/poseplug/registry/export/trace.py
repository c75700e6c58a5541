"""From a model to torch's own graph of it, which holds for any number of people; or the reason why there is none."""

from __future__ import annotations

import io
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram
from torch.overrides import TorchFunctionMode

from poseplug.core.errors import PoseplugError, in_words, one_line
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.tensors import constant
from poseplug.registry.export.program import Program, program_of, random_people


class CannotExport(Exception):
    """There is no such program; the message says why, and where."""


def traced(model: LiftingModel, flip: bool = False) -> tuple[Program, ExportedProgram]:
    """Return the program of a model in evaluation mode, and its graph, with the number of people left open.

    Args:
        model: what is to be exported; its parameters want no gradients from then on.
        flip: average each prediction with that for the mirrored key points.

    Raises:
        CannotExport: what it does depends on values, or on how many people there are, or on more than it is told.
        PoseplugError: a component refuses, with a sentence of its own.
    """
    people = Dim("N")
    try:
        with quiet(), torch.no_grad():
            # Calling it first makes what is made once and kept, of tensors that hold values.
            program = program_of(model.requires_grad_(False), flip)
            # Three people: torch takes a length of 1 to be meant.
            example = program.arguments(random_people(3, model.skeleton, model.device))
            shapes = {name: {0: people} for name in program.inputs}
            return program, torch.export.export(program, tuple(example.values()), dynamic_shapes=shapes, strict=False)
    except PoseplugError:
        raise
    except Exception as error:
        raise CannotExport(_reason(error, model)) from error
    finally:
        constant.cache_clear()  # of what was put there while nothing had a value


def _reason(error: Exception, model: LiftingModel) -> str:
    text = in_words(error)
    if "specialize" in text and "dynamic" in text:
        advice = "take x.shape[0] instead of len(x), and have no loop over people"
        return f"it is made for one number of people; {advice}{_length_at(model)}"
    if "data-dependent" in text:
        text = "what it does next depends on values that it computes (an 'if' on a tensor, an .item(), a loop)"
    return one_line(text.splitlines()[0]) + _place(traceback.extract_tb(error.__traceback__), model)


def _place(stack: traceback.StackSummary, model: LiftingModel) -> str:
    """Return the innermost place of a stack that is in the folder of a component's module."""
    parts = (model.lifter, model.root, model.head, *model.inputs.providers.values())
    modules = {type(part).__module__ for part in parts if part is not None}
    files = [getattr(sys.modules.get(m), "__file__", None) for m in modules if not m.startswith("poseplug.core.")]
    folders = [Path(file).parent for file in files if file]
    for frame in reversed(stack):
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            return f" ({Path(frame.filename).name}:{frame.lineno})"
    return ""


def _length_at(model: LiftingModel) -> str:
    """Return where a component first asks for the length of a tensor, if one does."""
    places = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.Tensor.__len__:
                places.append(_place(traceback.extract_stack(), model))
            return function(*args, **(kwargs or {}))

    with Watch(), torch.no_grad():
        program_of(model)
    return next(filter(None, places), "")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters say of themselves to themselves: warnings, logs, and graphs that they print."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
