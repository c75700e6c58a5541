"""``poseplug data limits``: which way limbs may point; learned, imported, and held against data sets."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseplug.cli.options import AsJson, names_of
from poseplug.cli.verbs.data.opening import Reference, Seed, Source, opened, writing

if TYPE_CHECKING:
    from poseplug.core.anatomy.joint_limits import JointLimits

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


class Bones(enum.StrEnum):
    """Which bones get limits."""

    ALL = "all"
    LOWER = "lower"


Out = Annotated[Path, typer.Option("--out", help="A new file (.safetensors).", metavar="OUT")]


def _degrees(low: float, high: float, said: str) -> Any:
    """Return an option that takes an angle."""
    return typer.Option(min=low, max=high, help=said, metavar="DEGREES")


@app.command(
    epilog="""\b
Examples:
  poseplug data limits learn bvh:path=mocap --out limits.safetensors
  poseplug data limits learn bvh:path=mocap builtin --no-ranges --margin 10 --out seen.safetensors
"""
)
def learn(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="As --source takes them: NAME[:key=value,...].", metavar="SOURCE...", autocompletion=names_of("source")
        ),
    ],
    out: Out,
    margin: Annotated[float, _degrees(0, 60, "How far beyond what was seen is allowed.")] = 6.0,
    parent_margin: Annotated[
        float, _degrees(0, 60, "So far from where an upper bone was seen, the lower one may do as it did there.")
    ] = 12.0,
    ranges: Annotated[bool, typer.Option(help="Allow published ranges of motion as well.")] = True,
    count: Annotated[int, typer.Option(min=1, help="A direction was seen when so many poses had it.")] = 3,
    keep: Annotated[
        float, typer.Option(min=0, max=1, help="The share of the poses that is accepted; --count is lowered for it.")
    ] = 0.995,
    cell: Annotated[float, _degrees(1, 20, "Size of cells for upper bones and the head.")] = 3.0,
    child_cell: Annotated[float, _degrees(2, 20, "Size of cells for forearms and shins.")] = 4.0,
    parent_cell: Annotated[float, _degrees(3, 30, "Size of cells of upper bones that lower ones depend on.")] = 11.0,
    poses: Annotated[int, typer.Option(min=0, help="The first so many of each source; 0: all.")] = 0,
    reference: Reference = "builtin",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Learn which way limbs may point from the poses of data sets."""
    from poseplug.cli.render import reporting

    with reporting():
        from poseplug.core.anatomy.learn_limits import LimitSettings
        from poseplug.registry.datasets.convert import check_free
        from poseplug.registry.datasets.limits import learn as learn_from

        check_free(out)
        settings = LimitSettings(
            margin=margin,
            parent_margin=parent_margin,
            ranges=ranges,
            count=count,
            keep=keep,
            cell=cell,
            child_cell=child_cell,
            parent_cell=parent_cell,
        )
        with writing() as progress:
            found = [opened(source, reference, seed) for source in sources]
            limits = learn_from(found, settings, poses=poses, progress=progress)
        _keep(limits, out, as_json)


@app.command(
    epilog="""\b
Examples:
  poseplug data limits check bvh:path=mocap,split=test
  poseplug data limits check fk_generator --limits limits.safetensors --json
"""
)
def check(
    source: Source,
    limits: Annotated[Path | None, typer.Option(help="A file of limits; default: those of poseplug.")] = None,
    poses: Annotated[int, typer.Option(min=1, help="Look at no more than these; of more, drawn ones.")] = 100_000,
    reference: Reference = "builtin",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what share of a data set's poses, and of each bone, is within limits."""
    from poseplug.cli.render import print_json, print_table, reporting

    with reporting():
        from poseplug.registry.datasets.limits import hold, limits_of_file

        held = limits_of_file(limits)
        found = hold(opened(source, reference, seed), held, poses)
        if as_json:
            print_json(found.facts)
        else:
            print_table(("what", "within limits"), list(found.lines()))


@app.command(
    "import",
    epilog="""\b
Examples:
  poseplug data limits import jointAngleModel_v2.mat staticPose.mat --out akhter_black.safetensors
  poseplug data limits import jointAngleModel_v2.npy staticPose.npy --bones lower --out lower.safetensors
""",
)
def import_(
    files: Annotated[list[Path], typer.Argument(help="The joint angle model and the static pose.", metavar="FILE...")],
    out: Out,
    bones: Annotated[
        Bones, typer.Option(help="All nine, or forearms and shins only, which EvoSkeleton's code checks in effect.")
    ] = Bones.ALL,
    as_json: AsJson = False,
) -> None:
    """Read the published tables of Akhter and Black (CVPR 2015) as limits."""
    from poseplug.cli.render import reporting

    with reporting():
        from poseplug.core.anatomy.akhter_black import import_akhter_black
        from poseplug.registry.datasets.convert import check_free

        check_free(out)
        _keep(import_akhter_black(files, lower_only=bones is Bones.LOWER), out, as_json)


def _keep(limits: JointLimits, out: Path, as_json: bool) -> None:
    """Write limits, and say what they are."""
    from poseplug.cli.render import print_json, print_table, say

    limits.save(out)
    if as_json:
        print_json({"path": str(out), **limits.facts})
        return
    accepted, allowed = limits.facts.get("accepted", {}), limits.facts["allowed"]
    columns = ("bone", "allowed, of the sphere", "of the poses accepted")
    rows = [
        (name, f"{share:.1%}", f"{accepted[name]:.2%}" if name in accepted else "") for name, share in allowed.items()
    ]
    print_table(columns, rows)
    say(f"Limits are in {out}. Look at data with them: poseplug data limits check SOURCE --limits {out}")
