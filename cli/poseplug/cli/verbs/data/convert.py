"""``poseplug data convert``: poseplug's own file of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import AsJson
from poseplug.cli.verbs.data.opening import Reference, Seed, Source, opened, writing

EPILOG = """\b
Examples:
  poseplug data convert bvh:path=mocap,split=all mocap.safetensors
  poseplug data convert fk_generator generated --poses 1000000 --shard-size 250000
"""


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
    from poseplug.cli.render import print_json, reporting, say

    with reporting():
        from poseplug.registry.datasets.convert import check_free
        from poseplug.registry.datasets.convert import convert as write
        from poseplug.registry.discovery.catalogue import load_catalogue

        check_free(out)
        with writing() as progress:
            made = write(
                *(opened(source, reference, seed), out, load_catalogue()),
                poses=poses,
                shard_size=shard_size,
                progress=progress,
            )
        if as_json:
            print_json({"path": str(out), "poses": made.poses, "bytes": made.bytes, "inputs": made.inputs})
        else:
            said = f"{made.poses} poses in {made.bytes / 1e6:.1f} MB, from {made.inputs} files"
            say(f"{said}. Use them: --source posefile:path={out}, with test_every=N or --eval")
