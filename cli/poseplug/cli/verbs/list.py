"""``poseplug list``: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from poseplug.cli.options import AsJson, Format, PrintAs
from poseplug.core.kinds import kind_names


def list_components(
    kind: Annotated[str, typer.Argument(help=f"Only this kind: {', '.join(kind_names())}, recipe.")] = "",
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """List the installed components and recipes."""
    from poseplug.cli.render import print_json, print_table, reporting
    from poseplug.registry.discovery.catalogue import load_catalogue

    with reporting():
        entries = load_catalogue().listed(kind)
        if as_json or output is Format.json:
            fields = ("kind", "name", "summary", "paper", "distribution")
            print_json([{field: getattr(entry, field) for field in fields} for entry in entries])
        else:
            rows = [(e.kind, e.name, e.distribution, e.summary) for e in entries]
            print_table(("kind", "name", "distribution", "summary"), rows, wide="summary")
