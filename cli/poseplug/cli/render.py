"""What the user sees: tables on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.status import Status
from rich.text import Text

from poseplug.core.errors import PoseplugError

# What stands below a row is indented by so much; a column is folded beside its row if it has room for so much.
_INDENT, _ROOMY = 4, 32


def out() -> Console:
    """Return the console for results."""
    return Console(highlight=False)


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print a message on standard error, folded between words to the terminal; in a pipe it stays as it is."""
    _print_folded(message, err())


def warn(message: str) -> None:
    """Say that something is not as the user may think."""
    say(f"warning: {message}")


def busy(what: str) -> Status:
    """Return what shows, while it is entered, that something takes its time; ``update`` says what now."""
    return Status(what, console=err())


@contextmanager
def reporting() -> Iterator[None]:
    """Turn what the user can cause into one message and an exit code, without a traceback."""
    try:
        yield
    except PoseplugError as error:
        console = err()
        text = Text(_folded(f"error: {error}", console))
        text.stylize("bold red", 0, len("error:"))
        console.print(text, soft_wrap=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        err().print("Stopped.")
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """Print JSON, alone, on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], wide: str = "", *, whole: bool = False) -> None:
    """Print a table that fits the terminal: words and names are cut nowhere unless one alone is wider.

    Args:
        columns: their names.
        rows: a cell for each column.
        wide: the column that is folded; where that leaves it little room, it stands below the rest of its row.
        whole: as wide as its content, whatever the terminal, as it always is in a pipe.
    """
    console = out()
    lines = [[" ".join(cell.split()) for cell in line] for line in [columns, *rows]]
    if whole or not console.is_terminal:
        for text in _aligned(lines):
            typer.echo(text)
        return
    at = list(columns).index(wide) if wide else len(columns)
    rest, folded = [[*line[:at], *line[at + 1 :]] for line in lines], ["".join(line[at : at + 1]) for line in lines]
    beside, below = _aligned(rest), " " * _INDENT
    margin = max(map(cell_len, beside)) + 2
    room = console.width - margin
    longest_word = max((cell_len(word) for text in folded for word in text.split()), default=0)
    fits = room >= max(longest_word, min(_ROOMY, max(map(cell_len, folded))))
    for number, (row, text) in enumerate(zip(beside, folded, strict=True)):
        bold = number == 0
        if fits and text:
            _print_folded(text, console, bold, set_cell_size(row, margin), " " * margin)
        else:
            _print_folded(row, console, bold)
            if text:
                _print_folded(text, console, bold, below, below)


def _folded(text: str, console: Console, first: str = "", further: str = "") -> str:
    """Return a text with each line folded between words to the terminal, if there is one.

    A word that is too long, such as a path, stays whole, so that it can be copied.
    """
    if not console.is_terminal:
        return "\n".join(first + line if line else "" for line in text.split("\n"))
    fold = partial(textwrap.fill, width=console.width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(fold(line, initial_indent=first, subsequent_indent=further) for line in text.split("\n"))


def _print_folded(text: str, console: Console, bold: bool = False, first: str = "", further: str = "") -> None:
    """Print a text folded between words, with something before its first and before its further lines."""
    style = "bold" if bold else None
    console.print(_folded(text, console, first, further), style=style, markup=False, soft_wrap=True)


def print_groups(groups: Mapping[str, Sequence[tuple[str, str]]]) -> bool:
    """Print names with a summary below the name of their group, a line each; return whether a summary was cut."""
    console, cut = out(), False
    column = max((cell_len(name) for group in groups.values() for name, _ in group), default=0)
    for heading, group in groups.items():
        console.print(heading, style="bold", markup=False)
        for name, summary in group:
            line = Text(f"  {set_cell_size(name, column)}  {' '.join(summary.split())}")
            cut = cut or line.cell_len > console.width
            line.truncate(console.width, overflow="ellipsis")
            console.print(line, no_wrap=True)
    return cut


def print_text(text: str, indent: int = 0, bold: bool = False) -> None:
    """Print a text, folded between words to the terminal; in a pipe each of its lines is one."""
    _print_folded(text, out(), bold, " " * indent, " " * indent)


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
    if "match_radius_mm" in protocol:
        from poseplug.core.evaluation.protocol import matching_in_words

        title += f"; {matching_in_words(protocol)}"
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
    _print_folded(title, console)
    for heading, *lines in next(fitting, shapes[-1]):
        console.print(heading, style="bold", markup=False, soft_wrap=True)
        console.print("\n".join(lines), markup=False, soft_wrap=True)


def _figure(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return "-"
    # A small number is not shown as none.
    text = f"{value:.1f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"
    return text if spread is None else f"{text} +- {_figure(spread)}"
