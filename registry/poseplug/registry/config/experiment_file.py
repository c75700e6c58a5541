"""Experiment documents: TOML files, the flags of the command line, and how they lie over one another.

A document is the plain dictionary that a TOML file holds: the run's settings at the top, a table for each part, a list
of tables for parts that there may be several of, a table of tables for labelled ones (``[eval.LABEL]``). A part's table
has ``name`` and its settings. ``[[phase]]`` lists the phases of the schedule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import Arity, slots
from poseplug.core.storage.files import write_text

Document = dict[str, Any]
PHASE = "phase"
# The keys of a document that hold tables: slots, and the phases.
ARITIES: Mapping[str, Arity] = {**{slot.name: slot.arity for slot in slots()}, PHASE: "several"}


def read_document(path: Path) -> Document:
    """Read a TOML experiment.

    Raises:
        PoseplugError: the file is missing, unreadable or not TOML (with the line).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PoseplugError(f"There is no file '{path}'; expected an experiment in TOML.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PoseplugError(f"'{path}' is not a TOML file that can be read: {error}") from None


def lay_over(below: Document, above: Document) -> Document:
    """Return ``below`` with everything that ``above`` says.

    A part that keeps its name keeps the settings that ``above`` is silent about; one that gets another name starts
    afresh; one that is None is taken out. Lists of parts and the set of evaluations are replaced whole. Steps take the
    place of epochs.
    """
    result = dict(below)
    if "steps" in above:
        result.pop("epochs", None)
    for key, value in above.items():
        old = result.get(key)
        if ARITIES.get(key) == "one" and isinstance(old, dict) and isinstance(value, dict):
            same = value.get("name", old.get("name")) == old.get("name")
            value = {**old, **value} if same else value
        result[key] = value
    return {key: value for key, value in result.items() if value is not None}


def tables_in(document: Document, place: str) -> dict[str, Document]:
    """Return the tables in a place of a document by their key: "" of one, the number of one of several, or the label.

    Raises:
        PoseplugError: it is not of the form described at the top of this module.
    """
    value, arity = document.get(place), ARITIES[place]
    if value is None:
        return {}
    if arity == "several" and not isinstance(value, list):
        raise PoseplugError(f"'{place}' in an experiment is a list of tables: write [[{place}]].")
    if arity == "labelled" and not isinstance(value, dict):
        raise PoseplugError(f"'{place}' in an experiment is a table of tables: write [{place}.LABEL].")
    tables = {"": value} if arity == "one" else value
    if arity == "several":
        tables = {str(i): entry for i, entry in enumerate(value)}
    for key, entry in tables.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            where = f"{place}.{key}" if key else place
            raise PoseplugError(f"'{where}' in an experiment is a table with a 'name'; got {entry!r}.")
    return tables


def shaped(place: str, tables: Mapping[str, Any]) -> Any:
    """Return what stands in a place of a document for its tables."""
    arity = ARITIES[place]
    return tables[""] if arity == "one" else list(tables.values()) if arity == "several" else dict(tables)


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as TOML, whole or not at all."""
    heading = "# What this run is made of. Repeat it: poseplug run --config experiment.toml\n"
    write_text(path, heading + tomli_w.dumps(document))


def differences(before: Document, after: Document, prefix: str = "") -> list[str]:
    """Return one line for each value in which two documents differ."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        old, new, name = before.get(key), after.get(key), f"{prefix}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{name}.")
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and key in ARITIES:
            for i, (a, b) in enumerate(zip(old, new, strict=True)):
                lines += differences(a, b, f"{name}.{i}.")
        elif old != new:
            lines.append(f"{name}: {old!r} -> {new!r}")
    return lines
