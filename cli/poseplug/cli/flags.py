"""From the flags of ``poseplug run`` to an experiment document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseplug.core.errors import PoseplugError
from poseplug.registry.config.experiment_file import Document, lay_over, read_document, set_value, table
from poseplug.registry.config.spec_syntax import parse_labelled, parse_spec
from poseplug.registry.discovery.catalogue import Catalogue

_NONE = "none"


def document_from(
    flags: dict[str, Any], recipe: str, config: Path | None, catalogue: Catalogue, below: Document | None = None
) -> Document:
    """Lay recipe, experiment file, flags and --set over one another, in this order.

    Args:
        flags: "single", "listed", "eval", "scalars" and "set", as the command line gathers them.
        recipe: name of a recipe, or "".
        config: an experiment file.
        catalogue: where recipes are found.
        below: a document to begin with.

    Raises:
        PoseplugError: a recipe, file or specification that is no good.
    """
    document = dict(below or {})
    if recipe:
        document = lay_over(document, read_document(Path(catalogue.find("recipe", recipe).target)))
    if config is not None:
        document = lay_over(document, read_document(config))
    document = _lay_flags(document, flags)
    for assignment in flags["set"]:
        document = set_value(document, assignment)
    return document


def _lay_flags(document: Document, flags: dict[str, Any]) -> Document:
    scalars = flags["scalars"]
    if "steps" in scalars and "epochs" in scalars:
        raise PoseplugError("--steps and --epochs say the same thing twice; give one of them.")
    above: Document = dict(scalars)
    for key, text in flags["single"].items():
        if text and text != _NONE:
            above[key] = table(parse_spec(text))
    for key, texts in flags["listed"].items():
        if texts:
            above[key] = [table(parse_spec(text)) for text in texts if text != _NONE]
    if flags["eval"]:
        above["eval"] = evaluations_from(flags["eval"])
    document = lay_over(document, above)
    removed = [key for key, text in flags["single"].items() if text == _NONE]
    removed += ["epochs"] if "steps" in scalars else []
    return {key: value for key, value in document.items() if key not in removed}


def evaluations_from(texts: list[str]) -> dict[str, Document]:
    """Return the evaluations by label; what has no label of its own is told apart by number."""
    tables: dict[str, Document] = {}
    for text in texts:
        label, spec = parse_labelled(text)
        number, free = 1, label
        while free in tables:
            number += 1
            free = f"{label}-{number}"
        tables[free] = table(spec)
    return tables
