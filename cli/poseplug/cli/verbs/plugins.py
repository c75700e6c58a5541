"""``poseplug plugins``: the installed plugin distributions and their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poseplug.cli.options import format_options

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue
    from poseplug.registry.discovery.manager import Plugin


@format_options
def plugins(
    verify: Annotated[
        bool, typer.Option("--verify", help="Import every component too; say which are incomplete.")
    ] = False,
    as_json: bool = False,
) -> None:
    """List the plugins, with the reason for each that takes no part."""
    from poseplug.cli.render import print_json, print_table, reporting
    from poseplug.registry.discovery.catalogue import load_catalogue

    with reporting():
        catalogue = load_catalogue()
        rows = []
        for plugin in catalogue.plugins:
            api = "-" if plugin.api is None else str(plugin.api)
            state, names = _state(plugin, catalogue, verify), _names(plugin, catalogue)
            rows.append((plugin.distribution, plugin.version, api, state, names))
        columns = ("distribution", "version", "api", "state", "components")
        if as_json:
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows, wide="components")


def _names(plugin: Plugin, catalogue: Catalogue) -> str:
    """Return what a plugin registers, by kind: "lifter mlp, semgcn; recipe semgcn"."""
    kinds: dict[str, list[str]] = {}
    for entry in catalogue.entries:
        if entry.distribution == plugin.distribution:
            kinds.setdefault(entry.kind, []).append(entry.name)
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())


def _state(plugin: Plugin, catalogue: Catalogue, verify: bool) -> str:
    """Return "ok", or in one line what is wrong with a plugin."""
    if plugin.problem:
        return plugin.problem
    broken = _broken_components(plugin, catalogue) if verify else []
    taken = [f"{kind} '{name}'" for kind, name, dists in catalogue.clashes() if plugin.distribution in dists]
    clashes = [f"clashes: {', '.join(taken)} (say dist:name)"] if taken else []
    return "; ".join(broken + clashes) if broken else "; ".join(["ok", *clashes])


def _broken_components(plugin: Plugin, catalogue: Catalogue) -> list[str]:
    from poseplug.core.errors import PoseplugError

    problems = []
    for entry in catalogue.entries:
        if entry.distribution == plugin.distribution and entry.kind != "recipe":
            try:
                entry.load()
            except PoseplugError as error:
                problems.append(" ".join(str(error).split()))
    return problems
