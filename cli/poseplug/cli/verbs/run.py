"""``poseplug run``: assemble and train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomli_w
import typer

from poseplug.cli.options import Flags, NoPlugin, names_of, part_options, switched_off
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.experiment_file import differences, read_document

if TYPE_CHECKING:
    import torch

    from poseplug.registry.discovery.catalogue import Catalogue
    from poseplug.registry.runs.plan import Plan

# What follows \b is printed as it stands, so that it can be copied.
EPILOG = """Ranges and other lists are typed in brackets, and quoted for shells that read brackets themselves.
All settings: poseplug show NAME, and poseplug show run for those of the run itself.

\b
Examples:
  poseplug run --source fk_generator --reweight cips --lifter semgcn
  poseplug run --source bvh:path=mocap,cameras=h36m --augment rigid \\
      --eval wild=bvh:path=other,split=all
  poseplug run --augment 'rigid:elevation=[0,0.5]' --set lifter.channels=512
  poseplug run --recipe posegu --reweight none --seeds 5 --out runs/five
  poseplug run --resume runs/five
"""


@part_options
def run(
    parts: dict[str, list[str]],
    recipe: Annotated[
        str, typer.Option(help="Start from a paper's set-up.", autocompletion=names_of("recipe"), metavar="NAME")
    ] = "",
    config: Annotated[Path | None, typer.Option(help="Start from an experiment file (TOML).", metavar="FILE")] = None,
    assignments: Annotated[
        list[str], typer.Option("--set", help="Any setting, e.g. lifter.channels=256.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over a finite source, instead of steps.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Poses per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train so many seeds, from --seed on, together.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, tf32 or bf16.")] = None,
    hook_errors: Annotated[str | None, typer.Option(help="A hook that fails: stop the run, or drop the hook.")] = None,
    protocol: Annotated[str | None, typer.Option(help="How results are measured.", metavar="NAME")] = None,
    no_plugin: NoPlugin = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Run directory; default: a new one in runs/.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the run in this directory.", metavar="DIR")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, take one tiny step, print the experiment.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result object, alone.")] = False,
) -> None:
    """Train a lifter from exchangeable parts, and evaluate it."""
    from poseplug.cli.render import print_json, print_result, reporting, say

    given: dict[str, float | str | None] = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "lr": lr}
    given |= {"seed": seed, "seeds": seeds, "precision": precision, "protocol": protocol, "hook_errors": hook_errors}
    settings = {name: value for name, value in given.items() if value is not None}
    flags = Flags(parts=parts, settings=settings, assignments=assignments, recipe=recipe, config=config)
    with reporting(), switched_off(no_plugin):
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.discovery.catalogue import load_catalogue
        from poseplug.registry.runs.execute import rehearse

        catalogue, where = load_catalogue(), pick_device(device)
        plan, directory = _plan(flags, catalogue, out, resume)
        if not dry_run:
            print_result(_train(plan, catalogue, where, directory, resume=resume is not None), as_json)
            if not as_json:
                say(f"Results, model and history are in {directory.path}")
            return
        rehearse(plan, catalogue, where)
        if as_json:
            print_json(plan.document)
        else:
            typer.echo(tomli_w.dumps(plan.document).rstrip())
        say("The parts fit and one step works; nothing was trained or written.")


def _plan(flags: Flags, catalogue: Catalogue, out: Path | None, resume: Path | None) -> tuple[Plan, RunDirectory]:
    """Return what to run, and where; refuse flags that would make another run of one that is to be continued."""
    from poseplug.registry.runs.plan import make_plan

    if resume is None:
        plan = make_plan(flags.document(catalogue), catalogue)
        name = f"{plan.parts.several('source')['0'].name}-{plan.parts.the('lifter').name}".replace(":", "-")
        directory = RunDirectory(out) if out is not None else RunDirectory.fresh(Path("runs"), name)
        directory.check_free()
        return plan, directory
    directory = RunDirectory(resume)
    directory.check_resumable()
    if out is not None and out.absolute() != resume.absolute():
        raise PoseplugError(f"--resume {resume} continues in that folder; leave out --out.")
    stored = read_document(directory.experiment)
    plan = make_plan(stored, catalogue)
    changed = differences(plan.document, make_plan(flags.document(catalogue, below=stored), catalogue).document)
    if changed:
        listed = "\n  ".join(changed)
        raise PoseplugError(
            f"'{resume}' was started with other settings, and a resumed run keeps its own:\n  {listed}\n"
            "Leave those flags out, or start a new run with another --out."
        )
    return plan, directory


def _train(
    plan: Plan, catalogue: Catalogue, device: torch.device, directory: RunDirectory, *, resume: bool
) -> dict[str, Any]:
    from poseplug.cli.progress import TrainingProgress, stop_on_interrupt
    from poseplug.cli.render import say, warn
    from poseplug.registry.runs.execute import execute

    parts = ", ".join(f"{kind} {name}" for kind, name in plan.experiment.components().items() if kind != "objective")
    say(f"{parts}; {device}; into {directory.path}")
    with stop_on_interrupt(directory) as watch, TrainingProgress() as progress:
        hooks = {"progress": progress}
        return execute(plan, catalogue, device, directory, resume=resume, hooks=hooks, warn=warn, began=watch)
