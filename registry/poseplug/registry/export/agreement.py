"""Whether an exported program finds what the model finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import in_words
from poseplug.registry.export.program import Program
from poseplug.registry.export.trace import CannotExport

# How many people at a time.
NUMBERS = (1, 2, 7)
# Metres; of what lies farther than a metre from the origin, the share of its distance.
TOLERANCE = 1e-4

Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


def largest_difference(program: Program, run: Run, batches: Iterable[PoseBatch]) -> float:
    """Return by how much at most an exported program differs from its model, metres, for 1, 2 and 7 people at a time.

    Args:
        program: the model.
        run: calls what was exported, with tensors by the names of its inputs.
        batches: of seven people each.

    Raises:
        CannotExport: it fails, or differs in shape or by more than the tolerance.
    """
    largest = 0.0
    for batch in batches:
        for n in NUMBERS:
            people = batch.select(slice(0, n))
            with torch.no_grad():
                expected = program.lift(people)
                try:
                    found = run(program.arguments(people))
                except Exception as error:
                    reason = in_words(error).splitlines()[0]
                    raise CannotExport(f"the exported program fails for {n} people: {reason}") from error
            for name in program.outputs:
                largest = max(largest, _difference(expected[name], found[name], f"'{name}' of {n} people"))
    return largest


def _difference(expected: Tensor, found: Tensor, what: str) -> float:
    if expected.shape != found.shape:
        raise CannotExport(f"exported, {what} has the shape {list(found.shape)}; the model's is {list(expected.shape)}")
    # What is no number or infinite for the model is the same for the program.
    alike = (expected == found) | (expected.isnan() & found.isnan())
    difference = torch.where(alike, 0, (expected - found).abs()).nan_to_num(torch.inf)
    if bool((difference > TOLERANCE * expected.nan_to_num(0, 0, 0).abs().clamp_min(1)).any()):
        raise CannotExport(f"exported, {what} is up to {float(difference.max()):.3g} m off the model's")
    return float(difference.max())
