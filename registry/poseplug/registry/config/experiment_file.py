"""Experiment documents: TOML files, the flags of the command line, and how they lie over one another.

A document is the plain dictionary that a TOML file holds: training settings at the top, a table for each part, a list
of tables for parts that there may be several of, ``[eval.LABEL]`` for what is evaluated. A part's table has ``name``
and its settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.storage.experiment import LISTED_PARTS, SINGLE_PARTS, ComponentSpec, Experiment
from poseplug.core.storage.files import write_text

Document = dict[str, Any]
# Facts of an experiment that are neither a part nor a training setting.
RUN_SETTINGS = ("reference_share", "protocol", "epochs", "seeds", "hook_errors", "pretrained", "projection")


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
    afresh. Lists of parts and the set of evaluations are replaced whole.
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if key in SINGLE_PARTS and isinstance(old, dict) and isinstance(value, dict):
            same = value.get("name", old.get("name")) == old.get("name")
            value = {**old, **value} if same else value
        result[key] = value
    return result


def table(spec: ComponentSpec) -> Document:
    """Return the table of a part."""
    return {"name": spec.name, **spec.settings}


def set_value(document: Document, assignment: str) -> Document:
    """Return the document with one ``--set KEY=VALUE`` done.

    KEY is a training setting (steps), a part's setting (lifter.channels), one of several parts' by number
    (augmentor.0.share; the number may be left out where there is one), or an evaluation's (eval.LABEL.path).

    Raises:
        PoseplugError: the assignment is malformed, or names a part that the experiment does not have.
    """
    key, equals, value = assignment.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise PoseplugError(
            f"--set '{assignment}' is not an assignment; expected KEY=VALUE such as lifter.channels=256."
        )
    if len(path) == 1:
        return {**document, path[0]: value.strip()}
    known = (*SINGLE_PARTS, *LISTED_PARTS, "eval", "phase")
    if path[0] not in known:
        hint = did_you_mean(path[0], known)
        raise PoseplugError(f"--set {key}: an experiment has no part '{path[0]}'.{hint}")
    part = document.get(path[0])
    if not part:
        raise PoseplugError(f"--set {key}: this experiment has no {path[0]}; choose one with its own flag first.")
    if isinstance(part, list):  # phases too
        number, setting = _numbered(path, part, key)
        replaced: Any = [{**t, setting: value.strip()} if i == number else t for i, t in enumerate(part)]
    elif path[0] == "eval":
        if len(path) != 3 or path[1] not in part:
            raise PoseplugError(f"--set {key}: expected eval.LABEL.SETTING with LABEL one of {', '.join(part)}.")
        replaced = {**part, path[1]: {**part[path[1]], path[2]: value.strip()}}
    elif len(path) == 2:
        replaced = {**part, path[1]: value.strip()}
    else:
        raise PoseplugError(f"--set {key}: expected {path[0]}.SETTING.")
    return {**document, path[0]: replaced}


def _numbered(path: list[str], parts: list[Document], key: str) -> tuple[int, str]:
    if len(path) == 2 and len(parts) == 1:
        return 0, path[1]
    if len(path) == 3 and path[1].isdigit() and int(path[1]) < len(parts):
        return int(path[1]), path[2]
    raise PoseplugError(f"--set {key}: expected {path[0]}.K.SETTING with K from 0 to {len(parts) - 1}.")


def to_experiment(document: Document) -> Experiment:
    """Return the experiment that a complete document describes; settings are not looked at yet.

    Raises:
        PoseplugError: something is not of the form described at the top of this module.
    """
    parts: dict[str, Any] = {}
    for key in SINGLE_PARTS:
        if key in document:
            parts[key] = _spec(document[key], key)
    for key in LISTED_PARTS:
        if not isinstance(document.get(key, []), list):
            raise PoseplugError(f"'{key}' in an experiment is a list of tables: write [[{key}]].")
        parts[key] = tuple(_spec(entry, key) for entry in document.get(key, []))
    evaluations = document.get("eval", {})
    if not isinstance(evaluations, dict):
        raise PoseplugError("'eval' in an experiment is a table of tables: write [eval.LABEL].")
    parts["eval"] = {label: _spec(entry, f"eval.{label}") for label, entry in evaluations.items()}
    phases = document.get("phase", [])
    if not isinstance(phases, list) or not all(isinstance(phase, dict) for phase in phases):
        raise PoseplugError("'phase' in an experiment is a list of tables: write [[phase]].")
    parts["phase"] = tuple(phases)
    settings = {k: v for k, v in document.items() if k not in parts and k not in RUN_SETTINGS and k != "eval"}
    return Experiment(**parts, **{k: document[k] for k in RUN_SETTINGS if k in document}, training=settings)


def _spec(entry: Any, where: str) -> ComponentSpec:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise PoseplugError(f"'{where}' in an experiment is a table with a 'name'; got {entry!r}.")
    return ComponentSpec(entry["name"], {k: v for k, v in entry.items() if k != "name"})


def to_document(experiment: Experiment) -> Document:
    """Return the document that describes an experiment."""
    document: Document = dict(experiment.training)
    document |= {key: getattr(experiment, key) for key in RUN_SETTINGS if getattr(experiment, key) not in (None, "")}
    if experiment.phase:
        document["phase"] = [dict(phase) for phase in experiment.phase]
    for key in SINGLE_PARTS:
        if getattr(experiment, key) is not None:
            document[key] = table(getattr(experiment, key))
    for key in LISTED_PARTS:
        if getattr(experiment, key):
            document[key] = [table(spec) for spec in getattr(experiment, key)]
    document["eval"] = {label: table(spec) for label, spec in experiment.eval.items()}
    return document


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
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and key in LISTED_PARTS:
            for i, (a, b) in enumerate(zip(old, new, strict=True)):
                lines += differences(a, b, f"{name}.{i}.")
        elif old != new:
            lines.append(f"{name}: {old!r} -> {new!r}")
    return lines
