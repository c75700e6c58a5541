"""``poseplug ablate``: every combination of parts and settings, for every seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseplug.cli.options import Flags, NoPlugin, names_of, part_options, switched_off

if TYPE_CHECKING:
    from poseplug.registry.discovery.catalogue import Catalogue
    from poseplug.registry.grids.ablate import Options
    from poseplug.registry.grids.grid import Cell, Grid

EPILOG = """\b
Examples:
  poseplug ablate --lifter mlp --lifter semgcn \\
      --augment none --augment rigid+jitter --seeds 2
  poseplug ablate --recipe posegu --reweight none --reweight cips \\
      --vary lr=1e-3,3e-4 --seeds 3 --jobs 2
  poseplug ablate benchmarks/studies/lab_to_wild.toml \\
      --define mocap=data/bandai-namco --out ablations/lab-to-wild

What has ended in --out is kept: calling it again runs what is missing or has changed.
"""


@part_options
def ablate(
    parts: dict[str, list[str]],
    grid: Annotated[Path | None, typer.Argument(help="A grid file (TOML).", metavar="[GRID]")] = None,
    define: Annotated[
        list[str],
        typer.Option(
            "--define",
            help="What ${NAME} in the grid file stands for; or size=tiny, of sets of values.",
            metavar="NAME=VALUE",
        ),
    ] = [],  # noqa: B006
    vary: Annotated[
        list[str], typer.Option("--vary", help="Alternatives for a setting.", metavar="KEY=VALUE,VALUE")
    ] = [],  # noqa: B006
    recipe: Annotated[
        list[str], typer.Option(help="Start from a paper's set-up.", autocompletion=names_of("recipe"), metavar="NAME")
    ] = [],  # noqa: B006
    config: Annotated[Path | None, typer.Option(help="Start from an experiment file (TOML).", metavar="FILE")] = None,
    assignments: Annotated[
        list[str], typer.Option("--set", help="Any setting of all cells.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(help="How many seeds, from --seed on.")] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Train a cell's seeds side by side in one process, where that can be.")
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over a finite source, instead of steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Poses per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, tf32 or bf16.")] = None,
    protocol: Annotated[str | None, typer.Option(help="How results are measured.", metavar="NAME")] = None,
    no_plugin: NoPlugin = [],  # noqa: B006
    jobs: Annotated[
        int | None, typer.Option(help="Cells at a time, each in a process of its own; default 1, with ray all.", min=1)
    ] = None,
    on: Annotated[str, typer.Option(help="Where cells run: local or ray.")] = "local",
    address: Annotated[str, typer.Option(help="The Ray cluster; default: one on this machine.")] = "",
    cpus: Annotated[int, typer.Option(help="With ray: cores for each cell.", min=1)] = 1,
    gpus: Annotated[float, typer.Option(help="With ray: GPUs, or a share of one, for each cell.", min=0)] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="The grid's folder; default: ablations/NAME.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run cells again that have failed.")] = False,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep finished cells' training states.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells, time a few steps of each kind, run nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all results as JSON, alone.")] = False,
) -> None:
    """Run every combination of parts and settings, for every seed."""
    from poseplug.cli.render import reporting

    given: dict[str, float | str | None] = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "lr": lr}
    given |= {"seed": seed, "precision": precision, "protocol": protocol}
    settings = {name: value for name, value in given.items() if value is not None}
    with reporting(), switched_off(no_plugin):
        from poseplug.registry.discovery.catalogue import load_catalogue

        catalogue = load_catalogue()
        flags = Flags(parts=parts, settings=settings, recipe=recipe[0] if len(recipe) == 1 else "", config=config)
        asked = _asked(flags, catalogue, grid, define, vary, recipe, assignments, seeds, together=together)
        name = grid.stem if grid is not None else "grid"
        folder = out or Path("ablations") / name
        if dry_run:
            _rehearse(asked, catalogue, device, jobs or 1, as_json=as_json)
            return
        options: Options = {"name": name, "jobs": jobs or 1, "device": device, "retry": retry}
        options |= {"workers": _workers(on, address, jobs or 0, cpus, gpus), "keep_checkpoints": keep_checkpoints}
        _run(asked, catalogue, folder, options, as_json=as_json)


def _asked(
    flags: Flags,
    catalogue: Catalogue,
    file: Path | None,
    define: Sequence[str],
    vary: Sequence[str],
    recipes: Sequence[str],
    assignments: Sequence[str],
    seeds: int | None,
    *,
    together: bool,
) -> Grid:
    """Return the grid that flags ask for, laid over that of a file."""
    import attrs

    from poseplug.core.kinds import slots
    from poseplug.registry.config.set_flag import parse_assignment
    from poseplug.registry.grids.grid_file import factor_of, grid_of_flags, overlaid, read_grid, seeds_of, varies

    varied = {slot.name for slot in slots() if varies(slot)}
    alternatives = {name: texts for name, texts in flags.parts.items() if name in varied}
    common = attrs.evolve(flags, parts={name: texts for name, texts in flags.parts.items() if name not in varied})
    said = grid_of_flags(
        common.document(catalogue), alternatives, vary, recipes, 1 if seeds is None else seeds, catalogue
    )
    said = attrs.evolve(said, settings=dict(map(parse_assignment, assignments)), together=together)
    if file is None:
        return said
    below = read_grid(file, catalogue, dict(map(parse_assignment, define)))
    # What a flag says for all cells, the file must not go on to vary.
    once = {name: texts[0] for name, texts in alternatives.items() if len(texts) == 1} | dict(flags.settings)
    fixed = [factor_of(f.name, [once[f.name]], catalogue) for f in below.factors if f.name in once]
    grid = overlaid(below, attrs.evolve(said, factors=(*said.factors, *fixed)))
    if seeds is not None:
        grid = attrs.evolve(grid, seeds=seeds_of(seeds, grid.base))
    return attrs.evolve(grid, together=together or below.together)


def _workers(on: str, address: str, jobs: int, cpus: int, gpus: float) -> Any:
    from poseplug.core.errors import PoseplugError, did_you_mean

    if on == "local":
        return None
    if on != "ray":
        raise PoseplugError(f"--on '{on}' is no place to run cells.{did_you_mean(on, ['local', 'ray'])}")
    from poseplug.registry.grids.on_ray import RayWorkers

    return lambda progress: RayWorkers(address, jobs, cpus, gpus, progress)


def _run(grid: Grid, catalogue: Catalogue, folder: Path, options: Options, *, as_json: bool) -> None:
    from poseplug.cli.grid_progress import GridProgress, stop_workers_on_interrupt
    from poseplug.cli.render import err, print_json
    from poseplug.registry.grids.ablate import ablate as run_grid

    with GridProgress() as watch, stop_workers_on_interrupt(watch):
        dataset = run_grid(grid, folder, catalogue, **(options | {"watch": watch}))
    if as_json:
        print_json(_variables(dataset))
    else:
        _print_results(dataset)
    states = dataset.state.values
    failed = int((states == "failed").sum())
    if failed:
        reasons = sorted({str(r) for r in dataset.reason.values[states == "failed"].ravel()})
        err().print(f"{failed} cells failed; --retry runs them again:", markup=False)
        for reason in reasons:
            err().print(f"  {reason}", markup=False, soft_wrap=True)
    err().print(f"All results are in {folder / 'results.nc'}; poseplug report {folder}", markup=False, soft_wrap=True)


def _variables(dataset: Any) -> Any:
    """Return the data set as JSON allows it: dimensions, their labels, and the variables as nested lists."""
    from poseplug.core.evaluation.results import as_json

    names = ("value", "state", "seconds", "folder")
    return {
        "dims": list(dataset.value.dims),
        "coords": {str(name): values.values.tolist() for name, values in dataset.coords.items()},
        **{name: as_json(dataset[name].values.tolist()) for name in names},
    }


def _print_results(dataset: Any) -> None:
    """Print, for every combination, the mean and the spread over the seeds of the two commonest metrics."""
    from poseplug.cli.render import print_figures
    from poseplug.registry.reports.rows import Rows
    from poseplug.registry.reports.tables import Number, plain

    rows = Rows.of(dataset)
    spreads = {metric: rows.spread(metric) for metric in ("mpjpe_mm", "p_mpjpe_mm") if metric in rows.metrics}
    shown = [(number, metric) for number in range(len(rows.evaluations)) for metric in spreads]
    columns = [*(rows.factors or ["grid"]), "seeds", *(f"{rows.evaluations[e]} {rows.headings[m]}" for e, m in shown)]
    lines = []
    for row, seeds in enumerate((rows.state == "done").sum(1)):
        if seeds:
            levels = [rows.level(row, factor) for factor in rows.factors] or ["all"]
            figures = [Number(float(spreads[m].mean[row, e]), float(spreads[m].sd[row, e])) for e, m in shown]
            lines.append([*levels, str(seeds), *(plain(number.text) for number in figures)])
    print_figures(columns, lines, "mean and standard deviation over the seeds; mm")


def _rehearse(grid: Grid, catalogue: Catalogue, device: str, jobs: int, *, as_json: bool) -> None:
    """Say which cells there are, which cannot be and why, and how long they will take."""
    from poseplug.cli.render import busy, err, print_json, print_table
    from poseplug.registry.grids.estimate import estimates, kind_of
    from poseplug.registry.grids.grid import cells_of
    from poseplug.registry.reports.headline import duration

    cells = cells_of(grid, catalogue)
    with busy("timing") as status:
        took = estimates(cells, catalogue, device, lambda done, of: status.update(f"timing kind {done + 1} of {of}"))

    def said(cell: Cell) -> str:
        if cell.obstacle:
            return f"cannot be: {cell.obstacle}"
        found = took[kind_of(cell)]
        if found.failure:
            return f"will fail: {found.failure}"
        return f"{'' if found.timed else 'about '}{found.seconds:.1f} s"

    if as_json:
        print_json([{"labels": dict(cell.labels), "says": said(cell)} for cell in cells])
        return
    names = list(grid.dimensions)
    rows = [[*(str(cell.labels[name]) for name in names), said(cell)] for cell in cells]
    print_table([*names, "estimate"], rows, wide="estimate")
    possible = [took[kind_of(cell)] for cell in cells if not cell.obstacle]
    seconds = sum(found.seconds for found in possible)
    alone, parallel = duration(seconds), f", {duration(seconds / jobs)} with {jobs} if there are cores for them"
    err().print(
        f"{len(cells)} cells, {len(cells) - len(possible)} of which cannot be; about {alone} with one job"
        f"{parallel if jobs > 1 else ''}; nothing was run.",
        markup=False,
        soft_wrap=True,
    )
