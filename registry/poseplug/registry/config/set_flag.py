"""``--set KEY=VALUE``: one setting of an experiment changed, wherever in it."""

from __future__ import annotations

from typing import Any

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.kinds import slots
from poseplug.registry.config.experiment_file import ARITIES, Document, shaped, tables_in


def set_value(document: Document, assignment: str) -> Document:
    """Return the document with one ``--set KEY=VALUE`` done.

    Raises:
        PoseplugError: the assignment is malformed, or see ``set_at``.
    """
    return set_at(document, *parse_assignment(assignment))


def parse_assignment(text: str) -> tuple[str, str]:
    """Return path and value of ``KEY=VALUE``; raise PoseplugError if it is not of that form."""
    path, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not all(path.split(".")):
        raise PoseplugError(f"--set '{text}' is not an assignment; expected KEY=VALUE such as lifter.channels=256.")
    return path, value


def set_at(document: Document, path: str, value: Any) -> Document:
    """Return the document with one setting changed.

    Args:
        document: the experiment.
        path: a setting of the run (steps), of a part (lifter.channels), of one of several parts by number
            (augmentor.0.share; the number may be left out where there is one), or of a labelled one (eval.LABEL.path).
        value: its new value; text is read as the setting's type asks.

    Raises:
        PoseplugError: the path names a part that the experiment does not have.
    """
    place, dot, rest = path.partition(".")
    if not dot:
        return {**document, path: value}
    if place not in ARITIES:
        raise PoseplugError(f"--set {path}: an experiment has no part '{place}'.{did_you_mean(place, ARITIES)}")
    if not document.get(place):
        flag = next((slot.flag for slot in slots() if slot.name == place), "--config")
        raise PoseplugError(f"--set {path}: this experiment has no {place}; choose one with {flag} first.")
    tables = tables_in(document, place)
    key, _, setting = rest.rpartition(".")  # a label may hold dots, a setting never does
    if ARITIES[place] == "several" and len(tables) == 1:
        key = key or "0"
    if key not in tables:
        forms = {
            "one": f"{place}.SETTING",
            "several": f"{place}.K.SETTING with K from 0 to {len(tables) - 1}",
            "labelled": f"{place}.LABEL.SETTING with LABEL one of {', '.join(tables)}",
        }
        raise PoseplugError(f"--set {path}: expected {forms[ARITIES[place]]}.")
    return {**document, place: shaped(place, {**tables, key: {**tables[key], setting: value}})}
