"""What the user sees: tables on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from poseplug.core.errors import PoseplugError

_METRICS = {
    "mpjpe_mm": "MPJPE",
    "p_mpjpe_mm": "P-MPJPE",
    "n_mpjpe_mm": "N-MPJPE",
    "pck_150": "PCK@150",
    "auc": "AUC",
    "mrpe_mm": "MRPE",
    "mrpe_z_mm": "MRPE z",
    "pck_abs": "PCK abs",
    "pck_root": "PCK root",
}


def out() -> Console:
    """Return the console for results."""
    return Console(highlight=False)


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what the user can cause into one message and an exit code, without a traceback."""
    try:
        yield
    except PoseplugError as error:
        # Not wrapped: a message may hold a path that the user wants to copy.
        err().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        err().print("Stopped.")
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """Print JSON, alone, on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", wide: str = "") -> None:
    """Print a table that fits the terminal; in a pipe it is as wide as its content."""
    console = out()
    if not console.is_terminal:
        _print_aligned(columns, list(rows), title)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = str(column.header) != wide
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    if title:
        console.print(title, markup=False)
    console.print(table)


def _print_aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print a table without fitting it to anything, which is much faster for long ones."""
    lines = [columns, *([" ".join(cell.split()) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if title:
        typer.echo(title)
    for line in lines:
        cells = (set_cell_size(cell, width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def print_result(result: Mapping[str, Any]) -> None:
    """Print the final table of a run or an evaluation."""
    present = [m for m in _METRICS if any(values.get(m) is not None for values in result["metrics"].values())]
    spread = result.get("spread", {})
    rows = [
        [
            label,
            *(_figure(values.get(metric), spread.get(label, {}).get(metric)) for metric in present),
            str(result["poses"][label]),
        ]
        for label, values in result["metrics"].items()
    ]
    protocol = result["protocol"]
    title = f"protocol {protocol['name']}: {protocol['joints']} joints; errors in mm, PCK and AUC in %"
    if "seeds" in result:
        title += f"; mean and standard deviation of {len(result['seeds'])} seeds"
    print_table(["evaluation", *(_METRICS[m] for m in present), "poses"], rows, title)


def _figure(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if spread is None else f"{value:.1f} +- {spread:.1f}"
