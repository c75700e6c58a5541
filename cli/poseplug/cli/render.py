"""What the user sees: tables on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from poseplug.core.errors import PoseplugError


def out() -> Console:
    """Return the console for results."""
    return Console(highlight=False)


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print a message as it is, on standard error; not wrapped, as it may hold a path that the user wants to copy."""
    err().print(message, markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """Say that something is not as the user may think."""
    say(f"warning: {message}")


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what the user can cause into one message and an exit code, without a traceback."""
    try:
        yield
    except PoseplugError as error:
        err().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        err().print("Stopped.")
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """Print JSON, alone, on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], wide: str = "") -> None:
    """Print a table that fits the terminal; in a pipe it is as wide as its content."""
    console, lines = out(), [columns, *rows]
    if not console.is_terminal:
        # Much faster than rich for long tables.
        for text in _aligned([[" ".join(cell.split()) for cell in line] for line in lines]):
            typer.echo(text)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    others = [cells for cells in zip(*lines, strict=True) if cells[0] != wide]
    room = console.width - sum(max(map(cell_len, cells)) + 2 for cells in others)
    for column in table.columns:
        column.overflow = "fold"
        # Where there is no room for the others, they are folded too: rich would cut them.
        column.no_wrap = str(column.header) != wide and room > 0
    for line in lines[1:]:
        table.add_row(*(escape(cell) for cell in line))
    console.print(table)


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of cells as text, with every column as wide as its widest cell."""
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    cells = ([set_cell_size(*sized) for sized in zip(line, widths, strict=True)] for line in lines)
    return ["  ".join(line).rstrip() for line in cells]


def print_result(result: Mapping[str, Any], as_json: bool = False) -> None:
    """Print the final table of a run, or all of the result object."""
    if as_json:
        print_json(result)
    else:
        print_results([result])


def print_results(results: Sequence[Mapping[str, Any]]) -> None:
    """Print evaluations of one run or several, those under one protocol in one table."""
    alike: list[list[Mapping[str, Any]]] = []
    for result in results:
        found = next((group for group in alike if group[0]["protocol"] == result["protocol"]), None)
        if found is None:
            alike.append([result])
        else:
            found.append(result)
    for group in alike:
        _print_alike(group, named=len(results) > 1)


def _print_alike(results: Sequence[Mapping[str, Any]], *, named: bool) -> None:
    headings = {metric: heading for result in reversed(results) for metric, heading in result["headings"].items()}
    shown = {metric: heading for metric, heading in headings.items() if heading}
    rows = []
    for result in results:
        for label, values in result["metrics"].items():
            spread = result.get("spread", {}).get(label, {})
            figures = [_figure(values.get(m), spread.get(m)) for m in shown]
            rows.append([*([result["run"]] if named else []), label, *figures, str(result["poses"][label])])
    protocol = results[0]["protocol"]
    title = f"protocol {protocol['name']}: {protocol['joints']} joints; errors in mm, shares in %"
    seeds = list(dict.fromkeys(len(result["seeds"]) for result in results if "spread" in result))
    if seeds:
        title += f"; mean and standard deviation of {' or '.join(map(str, seeds))} seeds"
    print_figures([*["run"] * named, "evaluation", *shown.values(), "poses"], rows, title)


def print_figures(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """Print a table of numbers without ever cutting one.

    One that is too wide for the terminal is turned on its side, or else every row becomes a table of its own.
    """
    upright, turned = [columns, *rows], list(zip(columns, *rows, strict=True))
    each = [list(zip(columns, row, strict=True)) for row in rows]
    shapes = [[_aligned(table) for table in shape] for shape in ([upright], [turned], each)]
    console = out()
    room = console.width if console.is_terminal else math.inf
    fitting = (shape for shape in shapes if all(cell_len(line) <= room for table in shape for line in table))
    console.print(title, markup=False, soft_wrap=not console.is_terminal)
    for heading, *lines in next(fitting, shapes[-1]):
        console.print(heading, style="bold", markup=False, soft_wrap=True)
        console.print("\n".join(lines), markup=False, soft_wrap=True)


def _figure(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return "-"
    # A small number is not shown as none.
    text = f"{value:.1f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"
    return text if spread is None else f"{text} +- {_figure(spread)}"
