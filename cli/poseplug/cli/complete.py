"""Shell completion of component names; never imports torch."""

from __future__ import annotations

from collections.abc import Callable


def names_of(kind: str) -> Callable[[str], list[tuple[str, str]]]:
    """Return a completer for the components of one interface (or recipes): (name, summary) pairs."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from poseplug.registry.discovery.catalogue import load_catalogue

        return [(e.name, e.summary) for e in load_catalogue().of(kind) if e.name.startswith(incomplete)]

    return complete
