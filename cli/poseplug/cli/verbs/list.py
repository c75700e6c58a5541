"""``poseplug list``: what is installed."""

from __future__ import annotations

from typing import Annotated

import typer

from poseplug.cli.options import AsJson, Format, PrintAs
from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.kinds import kind_names


def list_components(
    kind: Annotated[str, typer.Argument(help=f"Only this kind: {', '.join(kind_names())}, recipe.")] = "",
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """List the installed components and recipes."""
    from poseplug.cli.render import print_json, print_table, reporting
    from poseplug.registry.discovery.catalogue import listed_kinds, load_catalogue

    with reporting():
        kinds = listed_kinds()
        if kind and kind not in kinds:
            raise PoseplugError(f"There is no kind '{kind}'.{did_you_mean(kind, kinds)}")
        catalogue = load_catalogue()
        entries = [entry for k in kinds if kind in ("", k) for entry in catalogue.of(k)]
        if as_json or output is Format.json:
            fields = ("kind", "name", "summary", "paper", "distribution")
            print_json([{field: getattr(entry, field) for field in fields} for entry in entries])
        else:
            rows = [(e.kind, e.name, e.distribution, e.summary) for e in entries]
            print_table(("kind", "name", "distribution", "summary"), rows, wide="summary")
