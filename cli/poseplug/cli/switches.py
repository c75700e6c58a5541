"""``--no-plugin``: switching plugins off for one command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

NoPlugin = Annotated[
    list[str],
    typer.Option("--no-plugin", metavar="NAME", help="Switch a plugin off (all: every one); repeatable."),
]


@contextmanager
def switched_off(names: Sequence[str]) -> Iterator[None]:
    """Switch plugins off, besides those of POSEPLUG_DISABLE_PLUGINS, and warn of names that switch nothing off.

    The environment carries it, so that processes which the command starts leave out the same plugins.
    """
    from poseplug.registry.discovery.manager import DISABLE_VARIABLE

    before = os.environ.get(DISABLE_VARIABLE)
    if names:
        os.environ[DISABLE_VARIABLE] = ",".join([*filter(None, [before]), *names])
    try:
        warn_of_unknown(names)
        yield
    finally:
        if before is not None:
            os.environ[DISABLE_VARIABLE] = before
        elif names:
            del os.environ[DISABLE_VARIABLE]


def names_of_environment() -> list[str]:
    """Return the plugins that POSEPLUG_DISABLE_PLUGINS names."""
    from poseplug.registry.discovery.manager import DISABLE_VARIABLE

    return [name for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()]


def warn_of_unknown(names: Sequence[str]) -> None:
    """Say on standard error which of these names switch nothing off."""
    if names:
        from poseplug.cli.render import err
        from poseplug.registry.discovery.manager import unknown_switches

        for sentence in unknown_switches(names):
            err().print(f"warning: {sentence}", markup=False, soft_wrap=True)
