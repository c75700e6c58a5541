"""Experiments as people say them: a recipe to start from, and parts as on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import Slot, slots
from poseplug.registry.config.experiment_file import Document, lay_over, read_document
from poseplug.registry.config.spec_syntax import parse_chain, parse_spec
from poseplug.registry.discovery.catalogue import RECIPE, Catalogue


def experiment_of(said: Document, catalogue: Catalogue) -> Document:
    """Return an experiment document: a recipe first, parts as tables where they were said as text."""
    document: Document = {}
    if RECIPE in said:
        document = read_document(Path(catalogue.find("recipe", str(said[RECIPE])).target))
    by_name = {slot.name: slot for slot in slots()}
    above = {k: part_of(by_name[k], v) if k in by_name else v for k, v in said.items() if k != RECIPE}
    return lay_over(document, above) if document else above


def part_of(slot: Slot, said: Any) -> Any:
    """Return what stands in an experiment for a part that was said as text, table, or list of these.

    None takes out what stood there.
    """
    if slot.arity == "labelled":
        if not isinstance(said, dict):
            raise PoseplugError(f"'{slot.name}' says parts by their labels, in a table; got {said!r}.")
        return {label: parse_spec(one) if isinstance(one, str) else one for label, one in said.items()}
    tables: list[Any] = []
    for one in said if isinstance(said, list) else [said]:
        tables += parse_chain(one) if isinstance(one, str) else [one]
    if slot.arity == "several":
        return tables
    if len(tables) > 1:
        raise PoseplugError(f"a run has one {slot.name}; '{said}' are several.")
    return tables[0] if tables else None
