"""``poseplug list``: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from poseplug.cli.options import AsJson, Format, PrintAs
from poseplug.core.kinds import kind_names


def list_components(
    kind: Annotated[str, typer.Argument(help=f"Only this kind: {', '.join(kind_names())}, recipe, model.")] = "",
    wide: Annotated[bool, typer.Option("--wide", help="Cut and fold nothing, as in a pipe.")] = False,
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """List the installed components, recipes and trained models.

    A terminal shows a line of each; of one kind, and in a pipe, all that is said of them.
    """
    from poseplug.cli.render import out, print_groups, print_json, print_table, reporting, say
    from poseplug.registry.discovery.catalogue import load_catalogue

    with reporting():
        catalogue = load_catalogue()
        entries = catalogue.listed(kind)
        if as_json or output is Format.json:
            fields = ("kind", "name", "summary", "paper", "distribution")
            print_json([{field: getattr(entry, field) for field in fields} for entry in entries])
            return
        if wide or not out().is_terminal:
            rows = [(e.kind, e.name, e.distribution, e.summary) for e in entries]
            print_table(("kind", "name", "distribution", "summary"), rows, wide="summary", whole=wide)
        elif kind:
            alone = [(e.name, e.distribution, e.summary) for e in entries]
            print_table(("name", "distribution", "summary"), alone, wide="summary")
        else:
            groups: dict[str, list[tuple[str, str]]] = {}
            for e in entries:
                name = catalogue.name_of(e.kind, e.distribution, e.name)
                groups.setdefault(e.kind, []).append((name, e.summary))
            if print_groups(groups):
                say("Whole summaries: poseplug list KIND, or --wide. Settings: poseplug show NAME.")
