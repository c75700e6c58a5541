"""Programs as ONNX, for ONNX Runtime and what else reads it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from poseplug.core.errors import PoseplugError
from poseplug.registry.export.agreement import Run
from poseplug.registry.export.program import Program
from poseplug.registry.export.trace import CannotExport, quiet

# Under which a file's metadata hold what there is to know about it.
ABOUT = "poseplug"


def check_installed() -> None:
    """Raise PoseplugError unless what writes and runs ONNX is installed."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise PoseplugError(
                f"ONNX needs '{package}', which is not installed: pip install 'poseplug[export]'. --format pt2 does "
                "without."
            )


def written(graph: ExportedProgram, program: Program, about: str) -> bytes:
    """Return the file of a graph, with a text about it inside.

    Raises:
        CannotExport: an operation of it has no counterpart.
    """
    try:
        with quiet():
            made: Any = torch.onnx.export(
                graph,
                input_names=list(program.inputs),
                output_names=list(program.outputs),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        raise CannotExport(_first_cause(error)) from error
    model = made.model_proto
    del model.graph.value_info[:]  # which call the number of people by another name
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    model.metadata_props.add(key=ABOUT, value=about)
    data: bytes = model.SerializeToString()
    return data


def _first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).strip().partition("\n")[0].split()) or type(error).__name__


def opened(data: bytes, program: Program) -> Run:
    """Return what calls the program in a file, by ONNX Runtime on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(arguments: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        found = session.run(list(program.outputs), {name: tensor.cpu().numpy() for name, tensor in arguments.items()})
        return {name: torch.from_numpy(array) for name, array in zip(program.outputs, found, strict=True)}

    return run
