"""``poseplug plugins``: the installed plugin distributions and their state."""

from __future__ import annotations

from typing import Annotated

import typer

from poseplug.cli.formats import Format


def plugins(output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table) -> None:
    """List the plugins, with the reason for each that does not work."""
    from poseplug.cli.render import print_json, print_table
    from poseplug.registry.catalogue import load_catalogue

    catalogue = load_catalogue()
    clashes = list(catalogue.clashes())
    rows = []
    for plugin in catalogue.plugins:
        names = [e.name for e in catalogue.entries if e.distribution == plugin.distribution]
        taken = [f"{kind} '{name}'" for kind, name, dists in clashes if plugin.distribution in dists]
        state = plugin.problem or (f"ok; clashes: {', '.join(taken)} (say dist:name)" if taken else "ok")
        rows.append((plugin.distribution, plugin.version, state, " ".join(names)))
    columns = ("distribution", "version", "state", "components")
    if output is Format.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows, wide="components")
