"""The results of a grid as one labelled data set."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

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
    attrs = {
        "name": facts["name"],
        "grid": json.dumps(facts["grid"]),
        "versions": json.dumps(_merged(result["versions"] for result in results.values())),
        "machine": json.dumps({"processor": processor(), "devices": _distinct(r["device"] for r in results.values())}),
    }
    return results_dataset(coords, states, results, attrs)


def results_dataset(
    coords: Mapping[str, Any],
    states: Mapping[Place, tuple[str, str, str, float]],
    results: Mapping[Place, Mapping[str, Any]],
    attrs: Mapping[str, str],
) -> xarray.Dataset:
    """Return the data set of results that have places; see ``grid_dataset``.

    Args:
        coords: the labels of each dimension, "seed" last.
        states: for each place that is not excluded: state, reason, folder and seconds.
        results: the result objects of what is done.
        attrs: of the data set.
    """
    import xarray

    shape = tuple(len(labels) for labels in coords.values())
    every = {place: _by_evaluation(result) for place, result in results.items()}
    protocols = _names_of_protocols(every.values())
    metrics = _distinct(m for found in results.values() for m in found["headings"])
    headings = _merged(found["headings"] for found in results.values())
    actions = sorted({a for found in results.values() for of in found["per_action"].values() for a in of})
    joints = _distinct(
        j for found in results.values() for of in found["per_joint"].values() for m in of.values() for j in m
    )
    e, m, a, j = ({name: i for i, name in enumerate(names)} for names in (protocols, metrics, actions, joints))
    value = np.full((*shape, len(e), len(m)), np.nan)
    by_action = np.full((*shape, len(e), len(a), len(m)), np.nan, dtype=np.float32)
    by_joint = np.full((*shape, len(e), len(j), len(m)), np.nan, dtype=np.float32)
    poses = np.zeros((*shape, len(e)), dtype=np.int64)
    for place, found in every.items():
        result = results[place]
        for key in found:
            at, label = (*place, e[key]), key[0]
            poses[at] = result["poses"][label]
            for metric, number in result["metrics"][label].items():
                value[(*at, m[metric])] = np.nan if number is None else number
            for action, of in result["per_action"][label].items():
                for metric, number in of.items():
                    by_action[(*at, a[action], m[metric])] = np.nan if number is None else number
            for metric, of in result["per_joint"][label].items():
                for joint, number in of.items():
                    by_joint[(*at, j[joint], m[metric])] = np.nan if number is None else number
    texts = {name: np.full(shape, "", dtype=object) for name in ("state", "reason", "folder")}
    texts["state"][...] = "excluded"
    seconds = np.full(shape, np.nan)
    for place, (state, reason, folder, took) in states.items():
        texts["state"][place], texts["reason"][place], texts["folder"][place] = state, reason, folder
        seconds[place] = took
    over = tuple(coords)
    variables: dict[str, Any] = {
        "value": ((*over, "evaluation", "metric"), value),
        "poses": ((*over, "evaluation"), poses),
    }
    if actions:
        variables["action_value"] = ((*over, "evaluation", "action", "metric"), by_action)
    if joints:
        variables["joint_value"] = ((*over, "evaluation", "joint", "metric"), by_joint)
    variables |= {name: (over, text.astype(str)) for name, text in texts.items()}
    variables["seconds"] = (over, seconds)
    named: dict[str, Any] = {
        **{name: (name, labels) for name, labels in coords.items()},
        "evaluation": ("evaluation", np.array(list(protocols.values()), dtype=str)),
        "protocol": ("evaluation", np.array([protocol for _, protocol in protocols], dtype=str)),
        "metric": ("metric", np.array(metrics, dtype=str)),
        "heading": ("metric", np.array([headings[metric] for metric in metrics], dtype=str)),
    }
    named |= {"action": np.array(actions, dtype=str)} if actions else {}
    named |= {"joint": np.array(joints, dtype=str)} if joints else {}
    return xarray.Dataset(variables, named, dict(attrs))


def _by_evaluation(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (label, protocol) of each evaluation."""
    protocol = json.dumps(result["protocol"], sort_keys=True)
    return [(label, protocol) for label in result["metrics"]]


def _names_of_protocols(found: Iterable[list[tuple[str, str]]]) -> dict[tuple[str, str], str]:
    """Return what each (label, protocol) is called: the label, with the protocol where it has several."""
    keys = _distinct(key for one in found for key in one)
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
