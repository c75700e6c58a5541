"""``poseplug check``: do components keep the promises of their interfaces?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from poseplug.cli.formats import Format

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue, Entry

EPILOG = """Examples:

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
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    surface: Annotated[
        bool, typer.Option("--surface", help="Check nothing; print the names that plugins may rely on.")
    ] = False,
) -> None:
    """Check that components keep the promises of their interfaces; exit code 1 if one does not."""
    from poseplug.cli.render import err, print_json, print_table, reporting

    if surface:
        typer.echo(_surface(), nl=False)
        return
    with reporting():
        from poseplug.registry.discovery.catalogue import load_catalogue

        catalogue = load_catalogue()
        asked = _asked(components or [], everything, catalogue)
        rows = _plugin_rows(catalogue) if everything else []
        # What a component prints must not get among the results.
        with err().status("") as status, redirect_stdout(sys.stderr):
            for entry, settings in asked:
                rows += _rows(entry, settings, device, status.update)
        if output is Format.json:
            print_json([attrs.asdict(row) for row in rows])
        else:
            shown = [_cells([row]) for row in rows] if verbose else list(_summary(rows))
            print_table(("component", "promise", "verdict", "reason"), shown, wide="reason")
        counts = {state: sum(row.verdict == state for row in rows) for state in ("ok", "failed", "skipped")}
        err().print(f"{counts['ok']} promises kept, {counts['failed']} failed, {counts['skipped']} skipped.")
        if counts["failed"]:
            raise typer.Exit(1)


def _surface() -> str:
    """Return the public surface of the plugin API, as the tests hold poseplug to it."""
    from importlib.resources import files

    return (files("poseplug.registry") / "public_surface.txt").read_text(encoding="utf-8")


def _asked(texts: Sequence[str], everything: bool, catalogue: Catalogue) -> list[tuple[Entry, dict[str, Any]]]:
    """Return what to check, with settings; a name that several kinds of components have means all of them."""
    from poseplug.core.errors import PoseplugError, did_you_mean
    from poseplug.registry.config.spec_syntax import parse_spec
    from poseplug.registry.discovery.catalogue import HOOKS

    if everything == bool(texts):
        raise PoseplugError("Name the components to check, or give --all for everything; one of the two.")
    if everything:
        return [(entry, {}) for kind in HOOKS for entry in catalogue.of(kind)]
    asked = []
    for spec in map(parse_spec, texts):
        plain = spec.name.rpartition(":")[2]
        kinds = [kind for kind in HOOKS if any(entry.name == plain for entry in catalogue.of(kind))]
        if not kinds:
            known = {entry.name for kind in HOOKS for entry in catalogue.of(kind)}
            hint = catalogue.not_installed(spec.name) or did_you_mean(spec.name, known)
            raise PoseplugError(f"There is no component '{spec.name}'.{hint}")
        asked += [(catalogue.find(kind, spec.name), dict(spec.settings)) for kind in kinds]
    return asked


def _rows(entry: Entry, settings: dict[str, Any], device: str, progress: Callable[[str], None]) -> list[Row]:
    from poseplug.registry.conformance import PROMISES, check_entry

    statements = {(kind, promise.name): promise.statement for promise in PROMISES for kind in promise.kinds}
    return [
        Row(
            kind=entry.kind,
            name=entry.name,
            distribution=entry.distribution,
            promise=verdict.promise,
            statement=statements.get((entry.kind, verdict.promise), "its class can be imported and is complete"),
            verdict=verdict.state,
            reason=" ".join(verdict.reason.split()),
        )
        for verdict in check_entry(
            entry, settings, device=device, progress=lambda promise: progress(f"{entry.kind} {entry.name}: {promise}")
        )
    ]


def _plugin_rows(catalogue: Catalogue) -> list[Row]:
    """Return a row for each plugin that should take part and does not."""
    return [
        Row("plugin", plugin.name, plugin.distribution, "loads", "it can be imported", "failed", plugin.problem)
        for plugin in catalogue.plugins
        if plugin.problem and not plugin.off
    ]


def _summary(rows: Sequence[Row]) -> Iterator[tuple[str, str, str, str]]:
    """Give a line for each component with the number of its promises that are kept, and lines for the others.

    Promises that failed or were skipped for the same reason share a line.
    """
    for _, group in groupby(rows, key=lambda row: (row.kind, row.name, row.distribution)):
        of_one = list(group)
        kept = [row for row in of_one if row.verdict == "ok"]
        if kept:
            yield f"{kept[0].kind} {kept[0].name}", f"{len(kept)} promises", "ok", ""
        others: dict[tuple[str, str], list[Row]] = {}
        for row in of_one:
            if row.verdict != "ok":
                others.setdefault((row.verdict, row.reason), []).append(row)
        yield from map(_cells, others.values())


def _cells(rows: Sequence[Row]) -> tuple[str, str, str, str]:
    first = rows[0]
    promises = ", ".join(row.promise for row in rows[:3]) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
    return f"{first.kind} {first.name}", promises, first.verdict, first.reason or first.statement
