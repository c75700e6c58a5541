"""Programs in PyTorch's own format: ``torch.export.load`` opens them, with PyTorch alone."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.export import ExportedProgram

from poseplug.registry.export.agreement import Run
from poseplug.registry.export.program import Program
from poseplug.registry.export.trace import quiet

# Under which a file holds what there is to know about it.
ABOUT = "poseplug.json"


def check_installed() -> None:
    """Return: nothing is needed besides PyTorch."""


def written(graph: ExportedProgram, program: Program, about: str) -> bytes:
    """Return the file of a graph, with a text about it inside."""
    file = io.BytesIO()
    with quiet():
        torch.export.save(graph, file, extra_files={ABOUT: about})
    return file.getvalue()


def opened(data: bytes, program: Program) -> Run:
    """Return what calls the program in a file."""
    with quiet():
        module = torch.export.load(io.BytesIO(data)).module()

    def run(arguments: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = module(*arguments.values())
        return found

    return run
