"""Training curves: the losses of a row's seeds over steps, with their mean and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from poseplug.registry.reports.rows import Rows
from poseplug.registry.reports.statistics import Array, over_seeds

# Losses of so many steps at most are drawn; what is thinner than a screen's pixels is not seen.
_POINTS = 400


@attrs.frozen(eq=False)
class Curve:
    """A loss over steps.

    Attributes:
        steps: [K] steps, counted from 1.
        mean: [K] mean over seeds.
        sd: [K] standard deviation over seeds, NaN where there are fewer than two.
        n: of how many seeds it is at most.
    """

    steps: Array
    mean: Array
    sd: Array
    n: int


def curves(rows: Rows, row: int) -> dict[str, Curve]:
    """Return the losses of a row by name, as far as its runs are still there."""
    read: dict[Path, Mapping[str, tuple[Array, Array]]] = {}
    for folder in filter(None, rows.folder[row]):
        path = _history(Path(folder))
        if path is not None and path not in read:
            read[path] = _losses(path)
    series: dict[str, list[tuple[Array, Array]]] = {}
    for losses in read.values():
        for name, (steps, values) in losses.items():
            series.setdefault(name, []).extend((steps, seed) for seed in values)
    return {name: _together(found) for name, found in series.items()}


def _history(folder: Path) -> Path | None:
    """Return the history of a run; seeds that were trained together have theirs in the folder above."""
    candidates = [folder / "history.nc", *([folder.parent / "history.nc"] if folder.name.startswith("seed-") else [])]
    return next((path for path in candidates if path.exists()), None)


def _losses(path: Path) -> dict[str, tuple[Array, Array]]:
    """Return steps [K] and values [S, K] of every loss; none from a file that cannot be read."""
    import xarray

    try:
        with xarray.open_dataset(path, engine="h5netcdf") as history:
            return {
                str(name): (
                    history["step"].values.astype(float),
                    np.atleast_2d(variable.transpose(..., "step").values.astype(float)),
                )
                for name, variable in history.data_vars.items()
                if {"step"} <= {*variable.dims} <= {"step", "seed"}
            }
    except (OSError, ValueError, KeyError):
        return {}


def _together(series: Sequence[tuple[Array, Array]]) -> Curve:
    steps = np.unique(np.concatenate([at for at, _ in series]))
    values = np.full((len(steps), len(series)), np.nan)
    for column, (at, losses) in enumerate(series):
        values[np.searchsorted(steps, at), column] = losses
    kept = np.flatnonzero(np.isfinite(values).any(1))
    kept = kept[:: max(1, -(-len(kept) // _POINTS))]
    spread = over_seeds(values[kept])
    return Curve(steps[kept], spread.mean, spread.sd, int(spread.n.max(initial=0)))
