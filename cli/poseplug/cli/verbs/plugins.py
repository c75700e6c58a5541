"""``poseplug plugins``: the installed plugin distributions and their state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from poseplug.cli.options import AsJson, Format, PrintAs
from poseplug.core.errors import PoseplugError

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue, Entry
    from poseplug.registry.discovery.manager import Plugin


def plugins(
    verify: Annotated[
        bool, typer.Option("--verify", help="Import every component too; say which are incomplete.")
    ] = False,
    output: PrintAs = Format.table,
    as_json: AsJson = False,
) -> None:
    """List the plugins, with the reason for each that takes no part."""
    from poseplug.cli.render import print_json, print_table, reporting
    from poseplug.registry.discovery.catalogue import load_catalogue

    with reporting():
        catalogue = load_catalogue()
        rows = []
        for plugin in catalogue.plugins:
            api = "-" if plugin.api is None else str(plugin.api)
            own = [entry for entry in catalogue.entries if entry.distribution == plugin.distribution]
            state = _state(plugin, catalogue, own if verify else [])
            rows.append((plugin.distribution, plugin.version, api, state, _names(own)))
        columns = ("distribution", "version", "api", "state", "components")
        if as_json or output is Format.json:
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows, wide="components")


def _names(entries: Iterable[Entry]) -> str:
    """Return names by kind: "lifter mlp, semgcn; recipe semgcn"."""
    kinds: dict[str, list[str]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry.name)
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())


def _state(plugin: Plugin, catalogue: Catalogue, verified: Iterable[Entry]) -> str:
    """Return "ok", or in one line what is wrong with a plugin or with those of its entries that are to be verified."""
    if plugin.problem:
        return plugin.problem
    broken = []
    for entry in verified:
        if entry.is_component:
            try:
                entry.load()
            except PoseplugError as error:
                broken.append(" ".join(str(error).split()))
    taken = [f"{kind} '{name}'" for kind, name, dists in catalogue.clashes() if plugin.distribution in dists]
    clashes = [f"clashes: {', '.join(taken)} (say dist:name)"] if taken else []
    return "; ".join((broken or ["ok"]) + clashes)
