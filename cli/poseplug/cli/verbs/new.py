"""``poseplug new``: a plugin package to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from poseplug.core.kinds import example_names

EPILOG = """\b
Examples:
  poseplug new tiny-lifter --kind lifter --author 'Ada Lovelace'
  poseplug new studio --kind dataset
"""


def new(
    name: Annotated[str, typer.Argument(help="What the component is to be called, e.g. tiny-lifter.")],
    kind: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(example_names())}.",
            autocompletion=lambda incomplete: [name for name in example_names() if name.startswith(incomplete)],
        ),
    ],
    into: Annotated[Path, typer.Option(help="The folder to make the package's folder in.", metavar="DIR")] = Path(),
    author: Annotated[str, typer.Option(help="For its metadata and licence.")] = "",
) -> None:
    """Write a small, complete plugin package: component, recipe, tests."""
    from poseplug.cli.render import reporting, say
    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.scaffold import choose_names, example_of, write_plugin

    with reporting():
        folder = write_plugin(name, kind, into, load_catalogue(), author)
        names = choose_names(name)
        for path in sorted(filter(Path.is_file, folder.rglob("*"))):
            say(str(path))
        say("\nInstall it, check that it keeps its promises, and train with it:")
        typer.echo(f"pip install -e {shlex.quote(f'{folder.absolute()}[test]')}")
        typer.echo(f"poseplug check {names.name}")
        for command in example_of(kind).commands(names):
            typer.echo(command)
