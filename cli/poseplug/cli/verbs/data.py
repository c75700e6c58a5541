"""``poseplug data``: what is in a data set, a picture of it, poseplug's own file of it; new ones, by annotating."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poseplug.cli.options import AsJson, names_of
from poseplug.cli.verbs import data_annotate
from poseplug.cli.verbs.data_limits import app as limits_app

if TYPE_CHECKING:
    from poseplug.registry.datasets.opening import Opened

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(limits_app, name="limits", help="Which way limbs may point: learn it, import it, hold data against it.")

Source = Annotated[
    str,
    typer.Argument(
        help="As --source takes it: NAME[:key=value,...].", metavar="SOURCE", autocompletion=names_of("source")
    ),
]
Reference = Annotated[str, typer.Option(help="Real poses, for a source that is made from some.", metavar="SOURCE")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of what is drawn at random.")]


@app.command(
    epilog="""\b
Examples:
  poseplug data inspect bvh:path=mocap,split=all
  poseplug data inspect fk_generator --poses 20000 --json
"""
)
def inspect(
    source: Source,
    poses: Annotated[int, typer.Option(min=1, help="Look at no more than these; of more, drawn ones.")] = 100_000,
    reference: Reference = "builtin",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what is in a data set, and what looks wrong with it."""
    from poseplug.cli.render import print_json, print_table, print_text, reporting

    with reporting():
        from poseplug.registry.datasets.inspect import inspect as look_at

        found = look_at(_open(source, reference, seed), poses)
        if as_json:
            print_json(found.facts)
            return
        print_table(("what", "found"), list(found.lines()), wide="found")
        print_text("")
        print_text("What looks wrong:" if found.problems else "Nothing looks wrong.", bold=True)
        for problem in found.problems:
            print_text(f"- {problem}")


@app.command(
    epilog="""\b
Examples:
  poseplug data convert bvh:path=mocap,split=all mocap.safetensors
  poseplug data convert fk_generator generated --poses 1000000 --shard-size 250000
"""
)
def convert(
    source: Source,
    out: Annotated[Path, typer.Argument(help="A new file, or with --shard-size a new folder.", metavar="OUT")],
    shard_size: Annotated[int, typer.Option(min=0, help="Poses in a file; 0: all in one.")] = 0,
    poses: Annotated[int, typer.Option(min=0, help="The first so many; 0: all.")] = 0,
    reference: Reference = "builtin",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write a data set to poseplug's own file, which is read without being loaded."""
    from poseplug.cli.progress import counting
    from poseplug.cli.render import print_json, reporting, say

    with reporting():
        from poseplug.core.errors import Interrupted
        from poseplug.registry.datasets.convert import check_free
        from poseplug.registry.datasets.convert import convert as write
        from poseplug.registry.discovery.catalogue import load_catalogue

        check_free(out)
        try:
            opened = _open(source, reference, seed)
            with counting("poses") as progress:
                made = write(
                    *(opened, out, load_catalogue()),
                    poses=poses,
                    shard_size=shard_size,
                    progress=progress,
                )
        except KeyboardInterrupt:
            raise Interrupted("Stopped; nothing was written.") from None
        if as_json:
            print_json({"path": str(out), "poses": made.poses, "bytes": made.bytes, "inputs": made.inputs})
        else:
            said = f"{made.poses} poses in {made.bytes / 1e6:.1f} MB, from {made.inputs} files"
            say(f"{said}. Use them: --source posefile:path={out}, with test_every=N or --eval")


@app.command(
    epilog="""\b
Examples:
  poseplug data plot bvh:path=mocap,split=all poses.png
  poseplug data plot builtin:cameras=random builtin.html
  poseplug data plot fk_generator generated.png --show poses --rows 2
  poseplug data plot builtin bones.png --show directions --against fk_generator
"""
)
def plot(
    source: Source,
    out: Annotated[Path, typer.Argument(help="A picture (.png, .pdf, .svg) or a page (.html).", metavar="OUT")],
    show: Annotated[
        list[str],
        typer.Option(
            help="poses, cameras, people, bones or directions; repeatable; default: the first four.", metavar="TOPIC"
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
    rows: Annotated[int, typer.Option(min=1, max=100, help="Of the grid of poses.")] = 3,
    columns: Annotated[int, typer.Option(min=1, max=30, help="Of the grid of poses.")] = 8,
    reference: Reference = "builtin",
    seed: Seed = 0,
) -> None:
    """Draw a data set: poses, where cameras are, how people and their bones are."""
    from poseplug.cli.render import print_table, reporting, say

    with reporting():
        from poseplug.registry.datasets.plot import check_name
        from poseplug.registry.datasets.plot import plot as draw

        check_name(out)
        beside = _open(against, reference, seed) if against else None
        opened = _open(source, reference, seed)
        shown = draw(opened, out, show, rows=rows, columns=columns, against=beside, limits=limits)
        if shown.directions is not None:
            print_table(shown.directions.columns, list(shown.directions.lines()))
        say(f"The {'page' if out.suffix.lower() == '.html' else 'picture'} is in {out}")


app.command("annotate", epilog=data_annotate.EPILOG)(data_annotate.annotate)


def _open(source: str, reference: str, seed: int) -> Opened:
    from poseplug.cli.progress import preparing
    from poseplug.registry.datasets.opening import open_source
    from poseplug.registry.discovery.catalogue import load_catalogue

    with preparing():
        return open_source(source, load_catalogue(), seed=seed, reference=reference)
