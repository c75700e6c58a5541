"""The results of a grid as one labelled data set."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from poseplug.core import __version__
from poseplug.registry.grids.folder import GridFolder, Record

if TYPE_CHECKING:
    import xarray

Place = tuple[int, ...]


def grid_dataset(folder: GridFolder) -> xarray.Dataset:
    """Return all that is known of a grid.

    Dimensions: one for each factor, then "seed". Variables: ``value`` (..., seed, evaluation, metric) with NaN where
    there is none; ``action_value`` and ``joint_value`` with a dimension before the metric; ``poses`` (..., seed,
    evaluation); ``seconds``, ``state`` ("done", "failed", "impossible", "missing" or "excluded"), ``reason`` and
    ``folder`` (..., seed). Coordinates: ``heading`` of each metric, ``protocol`` of each evaluation as JSON; an
    evaluation that was measured under two protocols is two. Attributes, as JSON: ``grid``, ``versions``, ``machine``.
    """
    facts, records = folder.read_grid(), folder.records()
    dimensions = facts["dimensions"]
    index = {name: {_key(label): i for i, label in enumerate(labels)} for name, labels in dimensions.items()}
    states: dict[Place, tuple[str, str, str, float]] = {}
    results: dict[Place, Mapping[str, Any]] = {}
    for cell in facts["cells"]:
        place = tuple(index[name][_key(cell["labels"][name])] for name in dimensions)
        record = records.get(cell["identity"])
        if cell["obstacle"]:
            states[place] = "impossible", cell["obstacle"], "", np.nan
        elif record is None:
            states[place] = "missing", "", "", np.nan
        else:
            states[place] = record.state, record.reason, _absolute(folder, record), record.seconds
            if record.state == "done":
                results[place] = record.result
    coords = {name: _labels(labels) for name, labels in dimensions.items()}
    measured = {
        place: {label: json.dumps(result["protocol"], sort_keys=True) for label in result["metrics"]}
        for place, result in results.items()
    }
    names = _names_of_protocols(measured.values())
    columns = {place: {label: names[label, how] for label, how in found.items()} for place, found in measured.items()}
    protocols = {name: protocol for (_, protocol), name in names.items()}
    changed = (folder.journal if folder.journal.exists() else folder.grid).stat().st_mtime
    created = datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
    attrs = {"name": facts["name"], "grid": json.dumps(facts["grid"]), "created": created}
    return results_dataset(coords, states, results, columns, protocols, attrs)


def results_dataset(
    coords: Mapping[str, Any],
    states: Mapping[Place, tuple[str, str, str, float]],
    results: Mapping[Place, Mapping[str, Any]],
    columns: Mapping[Place, Mapping[str, str]],
    protocols: Mapping[str, str],
    attrs: Mapping[str, str],
) -> xarray.Dataset:
    """Return the data set of results that have places; see ``grid_dataset``.

    Args:
        coords: the labels of each dimension, "seed" last.
        states: for each place that is not excluded: state, reason, folder and seconds.
        results: the result objects of what is done.
        columns: for each place that is done, what each of its evaluations is called here.
        protocols: by these names, as JSON.
        attrs: of the data set, besides versions and machine.
    """
    import xarray

    every = results.values()
    metrics = _distinct(m for found in every for m in found["headings"])
    headings = {name: heading for found in reversed([*every]) for name, heading in found["headings"].items()}
    actions = _distinct(a for found in every for of in found["per_action"].values() for a in of)
    tables = [of for found in every for by_metric in found["per_joint"].values() for of in by_metric.values()]
    joints = _distinct(joint for of in tables for joint in of)
    e, m, a, j = ({name: i for i, name in enumerate(names)} for names in (protocols, metrics, actions, joints))
    shape = tuple(len(labels) for labels in coords.values())
    value = np.full((*shape, len(e), len(m)), np.nan)
    by_action = np.full((*shape, len(e), len(a), len(m)), np.nan)
    by_joint = np.full((*shape, len(e), len(j), len(m)), np.nan)
    poses = np.zeros((*shape, len(e)), dtype=np.int64)
    for place, result in results.items():
        for label, column in columns[place].items():
            at = (*place, e[column])
            poses[at] = result["poses"][label]
            _fill(value[at], result["metrics"][label], m)
            for action, of in result["per_action"].get(label, {}).items():
                _fill(by_action[at][a[action]], of, m)
            for metric, of in result["per_joint"].get(label, {}).items():
                _fill(by_joint[at][:, m[metric]], of, j)
    state, reason, folder = (np.full(shape, text, dtype=object) for text in ("excluded", "", ""))
    seconds = np.full(shape, np.nan)
    for place, facts in states.items():
        state[place], reason[place], folder[place], seconds[place] = facts
    over = tuple(coords)
    texts = {"state": state, "reason": reason, "folder": folder}
    variables: dict[str, Any] = {
        "value": ((*over, "evaluation", "metric"), value),
        "action_value": ((*over, "evaluation", "action", "metric"), by_action),
        "joint_value": ((*over, "evaluation", "joint", "metric"), by_joint),
        "poses": ((*over, "evaluation"), poses),
        "seconds": (over, seconds),
        **{name: (over, text.astype(str)) for name, text in texts.items()},
    }
    named: dict[str, Any] = {
        **{name: (name, labels) for name, labels in coords.items()},
        "evaluation": ("evaluation", np.array(list(protocols), dtype=str)),
        "protocol": ("evaluation", np.array(list(protocols.values()), dtype=str)),
        "metric": ("metric", np.array(metrics, dtype=str)),
        "heading": ("metric", np.array([headings[metric] for metric in metrics], dtype=str)),
        "action": np.array(actions, dtype=str),
        "joint": np.array(joints, dtype=str),
    }
    further = {
        "versions": json.dumps(_merged(result["versions"] for result in every)),
        "machine": json.dumps({"processor": processor(), "device": ", ".join(_distinct(r["device"] for r in every))}),
        "poseplug": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return xarray.Dataset(variables, named, {**further, **attrs})


def _fill(row: np.ndarray, values: Mapping[str, float | None], at: Mapping[str, int]) -> None:
    for name, number in values.items():
        row[at[name]] = np.nan if number is None else number


def _names_of_protocols(found: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], str]:
    """Return what each (label, protocol) is called: the label, with the protocol where it has several."""
    keys = _distinct(key for one in found for key in one.items())
    names: dict[tuple[str, str], str] = {}
    for label, protocol in keys:
        several = sum(other == label for other, _ in keys) > 1
        facts = json.loads(protocol)
        name = f"{label} ({facts['name']}, {facts['skeleton']})" if several else label
        number = sum(other == name or other.startswith(f"{name} #") for other in names.values())
        names[label, protocol] = f"{name} #{number + 1}" if number else name
    return names


def _labels(labels: list[Any]) -> Any:
    """Return the labels of a dimension as numbers where all are, else as text."""
    numbers = all(isinstance(label, int | float) and not isinstance(label, bool) for label in labels)
    return np.array(labels) if numbers else np.array([str(label) for label in labels], dtype=str)


def _key(label: Any) -> str:
    return json.dumps(label)


def _absolute(folder: GridFolder, record: Record) -> str:
    return str(folder.path / record.folder) if record.folder else ""


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _merged(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return one table of several; where they differ, all that is said."""
    said: dict[str, list[str]] = {}
    for table in tables:
        for key, value in table.items():
            if value not in said.setdefault(key, []):
                said[key].append(value)
    return {key: ", ".join(values) for key, values in said.items()}


def processor() -> str:
    """Return what this machine's processor is called."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
