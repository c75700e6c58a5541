"""What a run found: the result object (JSON), and losses and metrics as an xarray data set."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from poseplug.core import __version__
from poseplug.core.evaluation.evaluate import Evaluation
from poseplug.core.evaluation.metric import default_heading
from poseplug.core.storage.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import xarray


def result_object(
    *,
    evaluations: Mapping[str, Evaluation],
    components: Mapping[str, str],
    protocol: Mapping[str, Any],
    device: torch.device,
    versions: Mapping[str, str],
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the object that ``result.json`` holds and ``--json`` prints.

    Args:
        evaluations: by label.
        components: slot -> name.
        protocol: how every number was measured.
        device: where it was computed.
        versions: of the plugins.
        run: steps, seed, seconds, poses_per_second, diagnostics.
    """
    tables = ("metrics", "poses", "per_action", "per_joint")
    result: dict[str, Any] = as_json(
        {
            **{table: {label: getattr(found, table) for label, found in evaluations.items()} for table in tables},
            # In the order of the columns of tables; hooks say nothing of theirs.
            "headings": {
                metric: evaluation.headings.get(metric, default_heading(metric))
                for evaluation in evaluations.values()
                for metric in evaluation.metrics
            },
            "components": dict(components),
            **run,
            "device": f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device),
            "protocol": dict(protocol),
            "versions": {
                "poseplug": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
                **versions,
            },
        }
    )
    return result


def as_json(value: Any) -> Any:
    """Return the value as JSON allows it: a metric that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def result_dataset(
    losses: Mapping[str, Mapping[int, float]], evaluations: Mapping[str, Evaluation], result: Mapping[str, Any]
) -> xarray.Dataset:
    """Return a run as an xarray data set.

    Variables: every loss over ``step``, ``metrics`` over (evaluation, metric), ``action_metrics`` over (evaluation,
    action, metric) and ``joint_metrics`` over (evaluation, joint, metric); NaN where there is none. The result object
    is kept as the JSON attribute ``result``.
    """
    return _with_losses(_tables(evaluations), losses, {}, result)


def seeds_dataset(
    losses: Mapping[str, Mapping[int, float]],
    by_seed: Mapping[str, Mapping[int, Sequence[float]]],
    evaluations: Mapping[int, Mapping[str, Evaluation]],
    result: Mapping[str, Any],
) -> xarray.Dataset:
    """Return a run of several seeds as an xarray data set: that of one, with ``seed`` as the first dimension.

    Args:
        losses: means over the seeds. Those that are known of each seed get the dimension, the others stay without.
        by_seed: for each loss that is known of each seed {step: values in the order of the seeds}.
        evaluations: of each seed, by label.
        result: of them all.
    """
    import xarray

    tables = xarray.concat(
        [_tables(found) for found in evaluations.values()],
        xarray.DataArray(list(evaluations), dims="seed", name="seed"),
        data_vars="all",
        coords="minimal",
        compat="override",
        join="outer",
        combine_attrs="override",
    )
    return _with_losses(tables, losses, by_seed, result)


def _tables(evaluations: Mapping[str, Evaluation]) -> xarray.Dataset:
    import xarray

    found = evaluations.values()
    metrics = sorted({metric for one in found for metric in one.metrics})
    actions = sorted({action for one in found for action in one.per_action})
    joints = list(dict.fromkeys(joint for one in found for values in one.per_joint.values() for joint in values))
    coords: dict[str, Any] = {"evaluation": list(evaluations), "metric": metrics}
    # Of no names numpy would not know the type.
    coords |= {"action": np.array(actions, dtype=str), "joint": np.array(joints, dtype=str)}

    def over(dimensions: tuple[str, ...], values: list[float]) -> tuple[tuple[str, ...], Any]:
        return dimensions, np.reshape(values, [len(coords[name]) for name in dimensions])

    table = [one.metrics.get(m, np.nan) for one in found for m in metrics]
    by_action = [one.per_action.get(a, {}).get(m, np.nan) for one in found for a in actions for m in metrics]
    by_joint = [one.per_joint.get(m, {}).get(j, np.nan) for one in found for j in joints for m in metrics]
    return xarray.Dataset(
        {
            "metrics": over(("evaluation", "metric"), table),
            "action_metrics": over(("evaluation", "action", "metric"), by_action),
            "joint_metrics": over(("evaluation", "joint", "metric"), by_joint),
        },
        coords=coords,
    )


def _with_losses(
    tables: xarray.Dataset,
    losses: Mapping[str, Mapping[int, float]],
    by_seed: Mapping[str, Mapping[int, Sequence[float]]],
    result: Mapping[str, Any],
) -> xarray.Dataset:
    import xarray

    steps = sorted({step for series in losses.values() for step in series})
    curves: dict[str, Any] = {}
    for name, series in losses.items():
        of_each = by_seed.get(name)
        curve: Any = ("step", np.array([series.get(step, np.nan) for step in steps]))
        if of_each is not None:
            none = [np.nan] * tables.sizes["seed"]
            curve = (("seed", "step"), np.array([of_each.get(step, none) for step in steps]).T)
        curves[name.replace("/", ".")] = curve  # netCDF names hold no slash
    coords = {"step": steps, **tables.coords}
    return xarray.Dataset({**curves, **tables.data_vars}, coords, {"result": json.dumps(result)})


def write_dataset(path: Path, dataset: xarray.Dataset) -> None:
    """Write a data set as netCDF, whole or not at all."""
    write_whole(path, lambda temporary: dataset.to_netcdf(temporary, engine="h5netcdf"))
