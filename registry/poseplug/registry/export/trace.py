"""From a model to torch's own graph of it, which holds for any number of people; or the reason why there is none."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from poseplug.core.errors import PoseplugError, in_words
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.tensors import constant
from poseplug.registry.export.program import Program, program_of, random_people

_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class CannotExport(Exception):
    """There is no such program; the message says why, and where."""


def traced(model: LiftingModel, flip: bool = False) -> tuple[Program, ExportedProgram]:
    """Return the program of a model in evaluation mode, and its graph, with the number of people left open.

    Args:
        model: what is to be exported.
        flip: average each prediction with that for the mirrored key points.

    Raises:
        CannotExport: what it does depends on values, or on how many people there are, or on more than it is told.
        PoseplugError: a component refuses, with a sentence of its own.
    """
    people = Dim("N")
    try:
        with quiet(), torch.no_grad():
            # Calling it first makes what is made once and kept, of tensors that hold values.
            program = program_of(model, flip)
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
        return (
            "it is written for one number of people at a time; use x.shape[0] instead of len(x), and no loop over people"
        )
    if "data-dependent" in text:
        text = "what it does next depends on values that it computes (an 'if' on a tensor, an .item(), a loop)"
    return " ".join(text.splitlines()[0].split()) + _place(error, model)


def _place(error: Exception, model: LiftingModel) -> str:
    """Return the innermost place in the folder of a component's module that led to an error."""
    parts = (model.lifter, model.root, model.head, *model.inputs.providers.values())
    files = [getattr(sys.modules.get(type(part).__module__), "__file__", None) for part in parts if part is not None]
    folders = [Path(file).parent for file in files if file]
    for frame in traceback.extract_tb(error.__traceback__)[::-1]:
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            return f" ({Path(frame.filename).name}:{frame.lineno})"
    return ""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters say of themselves to themselves."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
