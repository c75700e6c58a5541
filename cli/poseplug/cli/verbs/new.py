"""``poseplug new``: a plugin package to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from poseplug.core.kinds import kind_names

EPILOG = """Example:

poseplug new tiny-lifter --kind lifter --author 'Ada Lovelace'
"""


def new(
    name: Annotated[str, typer.Argument(help="What the component is to be called, e.g. tiny-lifter.")],
    kind: Annotated[str, typer.Option(help=f"{', '.join(kind_names())}.")],
    into: Annotated[Path, typer.Option(help="The folder to make the package's folder in.", metavar="DIR")] = Path(),
    author: Annotated[str, typer.Option(help="For its metadata and licence.")] = "",
) -> None:
    """Write a small, complete plugin package: component, recipe, tests."""
    from poseplug.cli.render import reporting, say
    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.scaffold import choose_names, write_plugin

    with reporting():
        folder = write_plugin(name, kind, into, load_catalogue(), author)
        component = choose_names(name).name
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            say(str(path))
        say("\nInstall it, check that it keeps its promises, and train with it:")
        typer.echo(f"pip install -e {shlex.quote(f'{folder.absolute()}[test]')}")
        typer.echo(f"poseplug check {component}")
        typer.echo(f"poseplug run --recipe {component}")
