"""``poseplug eval``: a finished run on any source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import labelled_tables
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import table
from poseplug.registry.config.spec_syntax import parse_spec

EPILOG = """\b
Examples:
  poseplug eval runs/posegu-semgcn
  poseplug eval runs/posegu-semgcn --metric pck:threshold_mm=50
  poseplug eval runs/posegu-semgcn --protocol pose2drep \\
      --on wild=bvh:path=mocap,split=all,cameras=random
"""


def evaluate(
    run: Annotated[Path, typer.Argument(help="A finished run's directory.")],
    on: Annotated[
        list[str], typer.Option("--on", help="A source; repeatable. Default: the run's own evaluations.")
    ] = [],  # noqa: B006
    protocol: Annotated[str, typer.Option(help="How results are measured; default: as the run did.")] = "",
    metric: Annotated[
        list[str], typer.Option("--metric", help="Measured besides what the run measured; repeatable.")
    ] = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result object, alone.")] = False,
) -> None:
    """Evaluate a finished run."""
    from poseplug.cli.render import print_result, reporting

    with reporting():
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.discovery.catalogue import load_catalogue
        from poseplug.registry.runs.evaluate import evaluate_run

        metrics = [table(parse_spec(text)) for text in metric]
        where, sources = pick_device(device), labelled_tables(on)
        print_result(evaluate_run(RunDirectory(run), load_catalogue(), where, sources, protocol, metrics), as_json)
