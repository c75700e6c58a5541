"""A finished run written as a program for elsewhere, checked against its model before it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError, did_you_mean, in_words
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.storage.files import write_whole
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.export.about import about, name_of
from poseplug.registry.export.agreement import NUMBERS, largest_difference
from poseplug.registry.export.file_format import FileFormat, Onnx, Pt2
from poseplug.registry.export.program import as_seen, random_people
from poseplug.registry.export.trace import CannotExport, traced
from poseplug.registry.runs.build import build_evaluations
from poseplug.registry.runs.context import run_context
from poseplug.registry.runs.plan import Plan
from poseplug.registry.runs.saved_model import open_run

# By what files' names end with.
FORMATS: Mapping[str, FileFormat] = {"pt2": Pt2(), "onnx": Onnx()}
# Endings of models that are others, and hardly meant for a folder.
_OTHERS = ("pt", "pth", "ckpt", "safetensors")


@attrs.frozen
class Exported:
    """A program that was written.

    Attributes:
        path: the file.
        format: "pt2" or "onnx".
        inputs, outputs: shape, type, unit and meaning of each tensor that it takes and returns, by name.
        checked_on: on what it was compared with the model: random input, and people of the run's evaluations.
        largest_difference_m: by how much its results differ from the model's at most, metres.
    """

    path: Path
    format: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    checked_on: Sequence[str]
    largest_difference_m: float


@blaming
def export_run(
    directory: RunDirectory,
    catalogue: Catalogue,
    out: Path = Path(),
    formats: Sequence[str] = (),
    *,
    flip: bool = False,
    force: bool = False,
) -> list[Exported]:
    """Write a finished run as a program in each format; nothing is written unless all of them agree with the model.

    Args:
        directory: the run, with parts from the catalogue.
        out: a file whose name ends with its format, or a folder, in which files are named after the run; by default
            the folder worked in.
        formats: "pt2", "onnx"; by default what ``out`` ends with, or else "pt2".
        flip: average each prediction with that for the mirrored key points.
        force: replace files that are there.

    Raises:
        PoseplugError: see ``open_run``; an unknown format, or a package for it that is not installed; a file that is
            there; a component that cannot be exported.
    """
    files = _files(directory, out, formats)
    for name, path in files.items():
        FORMATS[name].check_installed()
        if path.exists() and not force:
            raise PoseplugError(f"'{path}' exists; choose another --out, or replace it with --force.")
    plan, model = open_run(directory, catalogue, torch.device("cpu"))
    with _explained(plan):
        _check_alone(model)
        program, graph = traced(model, flip)
    people = {"random input": random_people(max(NUMBERS), model.skeleton, model.device, seed=1)}
    people |= _evaluated(plan, run_context(catalogue, model.device, plan.settings.seed, skeleton=model.skeleton))
    text = about(directory, plan, program, catalogue, list(people))
    made: dict[str, bytes] = {}
    differences: dict[str, float] = {}
    for name in files:
        with _explained(plan, f" to {name}"):
            made[name] = FORMATS[name].written(graph, program, text)
            differences[name] = largest_difference(program, FORMATS[name].opened(made[name]), people.values())
    for name, path in files.items():
        write_whole(path, partial(_write, made[name]))
    described = program.described()
    return [
        Exported(path, name, described["inputs"], described["outputs"], list(people), differences[name])
        for name, path in files.items()
    ]


def _check_alone(model: LiftingModel) -> None:
    """Raise CannotExport where a part sees whole scenes."""
    parts = {"the lifter": model.lifter, "the root estimator": model.root}
    for called, part in parts.items():
        scenes = [] if part is None else sorted(model.inputs.of_scenes(part.reads))
        if scenes:
            raise CannotExport(
                f"{called} reads '{scenes[0]}', which is made of whole scenes, and a program is told of single people"
            )


def _write(data: bytes, file: Path) -> None:
    file.write_bytes(data)


def _files(directory: RunDirectory, folder: Path, formats: Sequence[str]) -> dict[str, Path]:
    """Return the file to write in each format."""
    for name in formats:
        if name not in FORMATS:
            raise PoseplugError(f"There is no format '{name}' to export to.{did_you_mean(name, FORMATS)}")
    ending = folder.suffix.removeprefix(".").lower()
    if ending in _OTHERS and not folder.is_dir():
        raise PoseplugError(f"'{folder}' ends with .{ending}; give a folder, or a name that ends with .pt2 or .onnx.")
    if ending in FORMATS and not folder.is_dir():
        if set(formats) - {ending}:
            raise PoseplugError(
                f"'{folder}' is a name for one file in the format {ending}, and {' and '.join(formats)} was asked for; "
                "give a folder, or leave out --format."
            )
        return {ending: folder}
    if folder.exists() and not folder.is_dir():
        raise PoseplugError(f"'{folder}' is a file; give a folder, or a name that ends with .pt2 or .onnx.")
    return {name: folder / f"{name_of(directory)}.{name}" for name in dict.fromkeys(formats or ["pt2"])}


@contextmanager
def _explained(plan: Plan, where: str = "") -> Iterator[None]:
    """Turn the reason why there is no program into a message that names the components."""
    try:
        yield
    except Exception as error:
        reason = error if isinstance(error, CannotExport | PoseplugError) else in_words(error).splitlines()[0]
        root = plan.parts.one("root")
        named = f"Lifter '{plan.parts.the('lifter').name}'" + (f" with root estimator '{root.name}'" if root else "")
        raise PoseplugError(f"{named} cannot be exported{where}: {reason}. Nothing was written.") from error


def _evaluated(plan: Plan, context: BuildContext) -> dict[str, PoseBatch]:
    """Return a few people of each of the run's evaluations; none where the data are not here any more."""
    try:
        evaluations = build_evaluations(plan, context)
        return {
            f"evaluation '{label}'": as_seen(source.sample(max(NUMBERS), context.generator()))
            for label, source in evaluations.items()
        }
    except PoseplugError:
        return {}
