"""The formats that programs are written in: PyTorch's own, and ONNX."""

from __future__ import annotations

import importlib.util
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from poseplug.core.errors import PoseplugError, in_words, one_line
from poseplug.registry.export.agreement import Run
from poseplug.registry.export.program import Program
from poseplug.registry.export.trace import CannotExport, quiet


class FileFormat(ABC):
    """A format."""

    def check_installed(self) -> None:
        """Raise PoseplugError unless what writes and opens it is installed."""
        return

    @abstractmethod
    def written(self, graph: ExportedProgram, program: Program, about: str) -> bytes:
        """Return the file of a program, of its graph and a text about it; raise CannotExport if it has no such form."""

    @abstractmethod
    def opened(self, data: bytes) -> Run:
        """Return what runs a file on the CPU, without poseplug."""


class Pt2(FileFormat):
    """What ``torch.export.load`` opens; the text is its extra file ``poseplug.json``."""

    def written(self, graph: ExportedProgram, program: Program, about: str) -> bytes:
        file = io.BytesIO()
        with quiet():
            torch.export.save(graph, file, extra_files={"poseplug.json": about})
        return file.getvalue()

    def opened(self, data: bytes) -> Run:
        with quiet():
            module = torch.export.load(io.BytesIO(data)).module()
        return lambda arguments: module(*arguments.values())


class Onnx(FileFormat):
    """What ONNX Runtime and others open; the text is under ``poseplug`` in its metadata."""

    def check_installed(self) -> None:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise PoseplugError(f"ONNX needs '{package}', which is not installed: pip install 'poseplug[export]'")

    def written(self, graph: ExportedProgram, program: Program, about: str) -> bytes:
        names = {"input_names": program.inputs, "output_names": program.outputs}
        try:
            with quiet():
                model = torch.onnx.export(graph, **names, dynamo=True, verbose=False).model_proto  # type: ignore
        except Exception as error:
            raise CannotExport(_first_line(error)) from error
        # The exporter calls the number of people by a name that it has made up.
        del model.graph.value_info[:]
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "N"
        model.metadata_props.add(key="poseplug", value=about)
        data: bytes = model.SerializeToString()
        return data

    def opened(self, data: bytes) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]

        def run(arguments: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
            arrays: list[Any] = session.run(names, {name: tensor.numpy() for name, tensor in arguments.items()})
            return dict(zip(names, map(torch.from_numpy, arrays), strict=True))

        return run


def _first_line(error: BaseException) -> str:
    """Return the first line of the error that led to all others: the exporter wraps it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(in_words(error).partition("\n")[0])
