"""``poseplug check``: do components keep the promises of their interfaces?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.cli.options import AsJson, Format, PrintAs
from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import kind_names
from poseplug.registry.config.spec_syntax import parse_spec

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue, Entry

EPILOG = """\b
Examples:
  poseplug check semgcn
  poseplug check bvh:path=mocap mlp:channels=64 --verbose
  poseplug check --all
  poseplug check --surface
"""


@attrs.frozen
class Row:
    """A verdict on one promise of one component, or on a plugin that takes no part."""

    kind: str
    name: str
    distribution: str
    promise: str
    statement: str
    verdict: str
    reason: str


def check(
    components: Annotated[
        list[str] | None, typer.Argument(help="What to check.", metavar="NAME[:key=value,...]...", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check everything that is installed.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the promises that are kept, too.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "cpu",
    output: PrintAs = Format.table,
    as_json: AsJson = False,
    surface: Annotated[
        bool, typer.Option("--surface", help="Check nothing; print the names that plugins may rely on.")
    ] = False,
) -> None:
    """Check that components keep their interfaces' promises.

    The exit code is 1 if one does not.
    """
    from poseplug.cli.render import err, print_json, print_table, reporting
    from poseplug.registry.discovery.catalogue import load_catalogue

    if surface:
        typer.echo((files("poseplug.registry") / "public_surface.txt").read_text(encoding="utf-8"), nl=False)
        return
    with reporting():
        catalogue = load_catalogue()
        asked = _asked(components or [], everything, catalogue)
        rows = [
            Row("plugin", plugin.name, plugin.distribution, "loads", "it can be imported", "failed", plugin.problem)
            for plugin in catalogue.plugins
            if everything and plugin.problem and not plugin.off
        ]
        # What a component prints must not get among the results.
        with err().status("") as status, redirect_stdout(sys.stderr):
            for entry, settings in asked:
                rows += _rows(entry, settings, device, status.update)
        if as_json or output is Format.json:
            print_json([attrs.asdict(row) for row in rows])
        else:
            shown = [_cells([row]) for row in rows] if verbose else list(_summary(rows))
            print_table(("component", "promise", "verdict", "reason"), shown, wide="reason")
        counts = Counter(row.verdict for row in rows)
        err().print(f"{counts['ok']} promises kept, {counts['failed']} failed, {counts['skipped']} skipped.")
        if counts["failed"]:
            raise typer.Exit(1)


def _asked(texts: Sequence[str], everything: bool, catalogue: Catalogue) -> list[tuple[Entry, dict[str, Any]]]:
    """Return what to check, with settings; a name that several kinds of components have means all of them."""
    if everything == bool(texts):
        raise PoseplugError("Name the components to check, or give --all for everything; one of the two.")
    if everything:
        return [(entry, {}) for kind in kind_names() for entry in catalogue.of(kind)]
    tables = map(parse_spec, texts)
    named = [(catalogue.named(table.pop("name"), kind_names()), table) for table in tables]
    return [(entry, dict(settings)) for entries, settings in named for entry in entries]


def _rows(entry: Entry, settings: dict[str, Any], device: str, progress: Callable[[str], None]) -> Iterator[Row]:
    from poseplug.registry.conformance import check_entry, promises_of

    name = f"{entry.kind} {entry.name}"
    statements = {promise.name: promise.statement for promise in promises_of(entry.kind)}
    for verdict in check_entry(entry, settings, device=device, progress=lambda promise: progress(f"{name}: {promise}")):
        statement = statements.get(verdict.promise, "its class can be imported and is complete")
        reason = " ".join(verdict.reason.split())
        yield Row(entry.kind, entry.name, entry.distribution, verdict.promise, statement, verdict.state, reason)


def _summary(rows: Sequence[Row]) -> Iterator[tuple[str, str, str, str]]:
    """Give a line for each component with the number of its promises that are kept, and lines for the others.

    Promises that failed or were skipped for the same reason share a line.
    """
    for _, group in groupby(rows, key=lambda row: (row.kind, row.name, row.distribution)):
        alike: dict[tuple[str, str], list[Row]] = {}
        for row in sorted(group, key=lambda row: row.verdict != "ok"):
            alike.setdefault((row.verdict, row.reason), []).append(row)
        for (verdict, _), same in alike.items():
            cells = _cells(same)
            yield (cells[0], f"{len(same)} promises", "ok", "") if verdict == "ok" else cells


def _cells(rows: Sequence[Row]) -> tuple[str, str, str, str]:
    first = rows[0]
    promises = ", ".join(row.promise for row in rows[:3]) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
    return f"{first.kind} {first.name}", promises, first.verdict, first.reason or first.statement
