"""``poseplug export``: a finished run as a program for elsewhere."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from poseplug.cli.options import AsJson, Force, RunOrModel

if TYPE_CHECKING:
    from poseplug.registry.export.export import Exported

EPILOG = """\b
Examples:
  poseplug export starter
  poseplug export runs/mine --format both --out models
  poseplug export runs/five/seed-0 --out five.onnx --flip
"""


class As(enum.StrEnum):
    """What programs can be written as."""

    pt2 = "pt2"
    onnx = "onnx"
    both = "both"


def export(
    run: RunOrModel,
    format_: Annotated[
        As | None,
        typer.Option(
            "--format",
            help="pt2 for PyTorch, onnx for ONNX Runtime and others; default: what --out ends with, or pt2.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="A folder, in which files are named after the run, or a file.", metavar="FOLDER|FILE")
    ] = Path(),
    flip: Annotated[bool, typer.Option("--flip", help="Average with the prediction for the mirrored image.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Export a finished run as a program that needs no poseplug: key points in pixels to poses in metres."""
    from poseplug.cli.render import print_json, print_table, reporting

    with reporting():
        from poseplug.registry.discovery.catalogue import load_catalogue
        from poseplug.registry.export.export import FORMATS, export_run
        from poseplug.registry.runs.find_run import find_run

        formats = () if format_ is None else tuple(FORMATS) if format_ is As.both else (format_.value,)
        catalogue = load_catalogue()
        written = export_run(find_run(run, catalogue), catalogue, out, formats, flip=flip, force=force)
        if as_json:
            print_json([{**attrs.asdict(file), "path": str(file.path)} for file in written])
        else:
            columns = ("file", "takes", "returns", "compared on", "differs by at most")
            print_table(columns, [_row(file) for file in written])


def _row(file: Exported) -> tuple[str, ...]:
    named = (", ".join(names) for names in (file.inputs, file.outputs, file.checked_on))
    return (str(file.path), *named, f"{file.largest_difference_m * 1000:.1g} mm")
