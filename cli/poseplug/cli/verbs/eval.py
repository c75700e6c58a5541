"""``poseplug eval``: finished runs on any source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import labelled_tables, runs_and_models
from poseplug.registry.config.spec_syntax import parse_spec

EPILOG = """\b
Examples:
  poseplug eval runs/posegu-semgcn
  poseplug eval runs/posegu-semgcn runs/five
  poseplug eval runs/posegu-semgcn --metric pck:threshold_mm=50
  poseplug eval runs/posegu-semgcn --protocol pose2drep \\
      --on wild=bvh:path=mocap,split=all,cameras=random
"""


def evaluate(
    run: Annotated[
        list[Path],
        typer.Argument(
            help="Directories of finished runs, also of several seeds, or names of models.",
            metavar="RUN...",
            autocompletion=runs_and_models,
        ),
    ],
    on: Annotated[
        list[str], typer.Option("--on", help="A source; repeatable. Default: the run's own evaluations.")
    ] = [],  # noqa: B006
    protocol: Annotated[str, typer.Option(help="How results are measured; default: as the run did.")] = "",
    metric: Annotated[
        list[str], typer.Option("--metric", help="Measured besides what the run measured; repeatable.")
    ] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result object, or of several runs a list.")
    ] = False,
) -> None:
    """Evaluate finished runs; one of several seeds with mean and standard deviation."""
    from poseplug.cli.render import print_json, print_results, reporting

    with reporting():
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.discovery.catalogue import load_catalogue
        from poseplug.registry.runs.evaluate import evaluate_run
        from poseplug.registry.runs.find_run import find_run

        metrics = list(map(parse_spec, metric))
        where, sources = pick_device(device), labelled_tables(on)
        catalogue = load_catalogue()
        results = [
            evaluate_run(find_run(path, catalogue), catalogue, where, sources, protocol, metrics)
            for path in dict.fromkeys(run)
        ]
        if as_json:
            print_json(results if len(run) > 1 else results[0])
        else:
            print_results(results)
