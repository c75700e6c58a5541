"""``poseplug data inspect``: what is in a data set, and what looks wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

from poseplug.cli.options import AsJson
from poseplug.cli.verbs.data.opening import Reference, Seed, Source, opened

EPILOG = """\b
Examples:
  poseplug data inspect bvh:path=mocap,split=all
  poseplug data inspect fk_generator --poses 20000 --json
"""


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

        found = look_at(opened(source, reference, seed), poses)
        if as_json:
            print_json(found.facts)
            return
        print_table(("what", "found"), list(found.lines()), wide="found")
        print_text("")
        print_text("What looks wrong:" if found.problems else "Nothing looks wrong.", bold=True)
        for problem in found.problems:
            print_text(f"- {problem}")
