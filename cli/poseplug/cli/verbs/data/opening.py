"""What verbs on data sets share: how a source is said and opened, and stopping without a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from poseplug.cli.options import names_of

if TYPE_CHECKING:
    from poseplug.registry.datasets.opening import Opened

Source = Annotated[
    str,
    typer.Argument(
        help="As --source takes it: NAME[:key=value,...].", metavar="SOURCE", autocompletion=names_of("source")
    ),
]
Reference = Annotated[str, typer.Option(help="Real poses, for a source that is made from some.", metavar="SOURCE")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of what is drawn at random.")]


def opened(source: str, reference: str, seed: int) -> Opened:
    """Open a source as a user names it, and show how far it is."""
    from poseplug.cli.progress import preparing
    from poseplug.registry.datasets.opening import open_source
    from poseplug.registry.discovery.catalogue import load_catalogue

    with preparing():
        return open_source(source, load_catalogue(), seed=seed, reference=reference)


@contextlib.contextmanager
def writing() -> Iterator[Callable[[int, int], None]]:
    """Show a bar of poses while a file is made that appears whole or not at all; Ctrl-C says so."""
    from poseplug.cli.progress import counting
    from poseplug.core.errors import Interrupted

    try:
        with counting("poses") as progress:
            yield progress
    except KeyboardInterrupt:
        raise Interrupted("Stopped; nothing was written.") from None
