"""``poseplug data plot``: pictures of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import names_of, runs_and_models
from poseplug.cli.verbs.data.opening import Reference, Seed, Source, opened

EPILOG = """\b
Examples:
  poseplug data plot bvh:path=mocap,split=all poses.png
  poseplug data plot builtin:cameras=random builtin.html
  poseplug data plot fk_generator generated.png --show poses --rows 2
  poseplug data plot builtin bones.png --show directions --against fk_generator
  poseplug data plot virtual_scenes:people=builtin scenes.png --show scenes --model runs/virtualpose
"""


def plot(
    source: Source,
    out: Annotated[Path, typer.Argument(help="A picture (.png, .pdf, .svg) or a page (.html).", metavar="OUT")],
    show: Annotated[
        list[str],
        typer.Option(
            help="poses, cameras, people, bones, directions or scenes; repeatable; default: the first four.",
            metavar="TOPIC",
        ),
    ] = [],  # noqa: B006
    against: Annotated[
        str,
        typer.Option(
            help="With --show directions: a source to hold beside the first.",
            metavar="SOURCE",
            autocompletion=names_of("source"),
        ),
    ] = "",
    limits: Annotated[
        Path | None,
        typer.Option(help="With --show directions: a file of joint limits; default: those that ship.", metavar="FILE"),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="With --show scenes: a finished run, or the name of a model, that says where people are.",
            metavar="RUN",
            autocompletion=runs_and_models,
        ),
    ] = "",
    rows: Annotated[int, typer.Option(min=1, max=100, help="Of the grid of poses; so many scenes.")] = 3,
    columns: Annotated[int, typer.Option(min=1, max=30, help="Of the grid of poses.")] = 8,
    reference: Reference = "builtin",
    seed: Seed = 0,
) -> None:
    """Draw a data set: poses, where cameras are, how people and their bones are."""
    from poseplug.cli.render import print_table, reporting, say

    with reporting():
        from poseplug.registry.datasets.plot import check_name
        from poseplug.registry.datasets.plot import plot as draw
        from poseplug.registry.datasets.scenes.shown import COLUMNS, Predictor
        from poseplug.registry.discovery.catalogue import load_catalogue

        check_name(out)
        predictor = Predictor.named(model, load_catalogue()) if model else None
        beside = opened(against, reference, seed) if against else None
        shown = draw(
            opened(source, reference, seed),
            out,
            show,
            rows=rows,
            columns=columns,
            against=beside,
            limits=limits,
            predictor=predictor,
        )
        if shown.directions is not None:
            print_table(shown.directions.columns, list(shown.directions.lines()))
        if shown.scenes is not None and predictor is not None:
            print_table(COLUMNS, list(shown.scenes.lines()))
        say(f"The {'page' if out.suffix.lower() == '.html' else 'picture'} is in {out}")
