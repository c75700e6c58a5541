"""Grids for the tests of reports: of real short runs, or of numbers that are made up."""

import itertools
import json

import numpy as np
import xarray

from poseplug.core.evaluation.results import write_dataset
from poseplug.registry.grids.finished_runs import runs_dataset

PROTOCOL = {
    "name": "default",
    "skeleton": "h36m-16",
    "joints": 16,
    "root": "counted",
    "alignment": ["rotation", "translation", "scale"],
    "flip": False,
    "average": "poses",
}
LIFTERS = {"mlp": "mlp:channels=16,blocks=1", "videopose": "videopose:channels=16,blocks=1"}
AUGMENTORS = ("none", "rigid")
SEEDS = (0, 1)


def train_grid(folder, run):
    """Train two lifters under two augmentors with two seeds, and write the folder of their grid.

    ``run(*arguments)`` runs the command line. A third augmentor failed with one lifter and does not fit the other.
    """
    for (lifter, spec), augmentor, seed in itertools.product(LIFTERS.items(), AUGMENTORS, SEEDS):
        sources = ["--eval", "own=builtin:split=test,takes=1,frames=4"]
        sources += ["--eval", "random=builtin:split=test,takes=1,frames=4,cameras=random"]
        settings = ["--steps", "30", "--batch-size", "32", "--seed", str(seed), "--set", "log_every=5"]
        out = folder / "cells" / f"{lifter}+{augmentor}-{seed}"
        run("run", "--lifter", spec, "--augment", augmentor, *settings, *sources, "--out", str(out))
    write_grid(folder, runs_dataset(sorted((folder / "cells").iterdir())), ["lifter", "augmentor"])
    return folder


def write_grid(folder, runs, factors):
    """Write a grid's folder from runs whose labels are levels of its factors, joined by +; add some without results."""
    levels = [label.split("+") for label in runs["run"].values]
    named = {factor: list(dict.fromkeys(level[i] for level in levels)) for i, factor in enumerate(factors)}
    named[factors[-1]].append("broken")
    combinations = list(itertools.product(*named.values()))
    wide = runs.reindex(
        run=["+".join(levels) for levels in combinations], fill_value={"state": "missing", "reason": "", "folder": ""}
    )
    sizes = [len(labels) for labels in named.values()]

    def unfolded(variable):
        if "run" not in variable.dims:
            return variable.dims, variable.values
        return (*factors, *variable.dims[1:]), variable.values.reshape(*sizes, *variable.shape[1:])

    variables = {name: unfolded(variable) for name, variable in wide.data_vars.items()}
    state, reason = (np.array(variables[name][1], dtype=object) for name in ("state", "reason"))
    state[0, -1], reason[0, -1] = "failed", "'supervised' became nan at step 12."
    state[1, -1], reason[1, -1] = "impossible", "augmentor 'broken' <needs> a reference."
    place = [str(folder) + "/"]
    relative = np.vectorize(lambda path: str(path).removeprefix(place[0]), otypes=[str])
    variables["state"] = (variables["state"][0], state.astype(str))
    variables["reason"] = (variables["reason"][0], reason.astype(str))
    variables["folder"] = (variables["folder"][0], relative(variables["folder"][1]))
    coords = {name: (c.dims, c.values) for name, c in runs.coords.items() if name != "run"}
    grid = {"factors": dict(named)}
    made = xarray.Dataset(
        variables, {**coords, **named}, {**runs.attrs, "name": "two lifters", "grid": json.dumps(grid)}
    )
    write_dataset(folder / "results.nc", made)


def made_up(levels, seeds, value, evaluations=("own", "wild"), metrics=("mpjpe_mm", "pck_150"), protocols=None):
    """Return a data set with factors of these levels whose numbers ``value(shape)`` gives, NaN where a cell failed."""
    shape = (*map(len, levels.values()), len(seeds))
    dims = (*levels, "seed")
    values = value((*shape, len(evaluations), len(metrics)))
    done = np.isfinite(values).any((-1, -2))
    protocols = protocols or [PROTOCOL] * len(evaluations)
    headings = {"mpjpe_mm": "MPJPE", "pck_150": "PCK@150"}
    return xarray.Dataset(
        {
            "value": ((*dims, "evaluation", "metric"), values),
            "poses": ((*dims, "evaluation"), np.where(done[..., None], 100.0, np.nan).repeat(len(evaluations), -1)),
            "seconds": (dims, np.where(done, 2.0, np.nan)),
            "state": (dims, np.where(done, "done", "failed").astype("U10")),
            "reason": (dims, np.where(done, "", "it <broke> & fell").astype("U40")),
            "folder": (dims, np.full(shape, "")),
        },
        coords={
            **{name: list(labels) for name, labels in levels.items()},
            "seed": list(seeds),
            "evaluation": list(evaluations),
            "metric": list(metrics),
            "heading": ("metric", [headings.get(name, "") for name in metrics]),
            "protocol": ("evaluation", [json.dumps(protocol) for protocol in protocols]),
        },
        attrs={"name": "made up", "grid": "{}", "versions": "{}", "machine": "{}", "poseplug": "0", "created": "now"},
    )
