"""``poseplug run``: assemble and train."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomli_w
import typer

from poseplug.cli.options import Flags, NoPlugin, names_of, part_options, runs, switched_off
from poseplug.core.errors import PoseplugError
from poseplug.core.storage.run_directory import RunDirectory

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
  poseplug run --resume runs/five --steps 5000
  poseplug run --from runs/narrow --lifter mlp:channels=512 --augment jitter
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
    start: Annotated[
        str, typer.Option("--from", help="Start from this run's weights.", autocompletion=runs, metavar="RUN")
    ] = "",
    hook_errors: Annotated[str | None, typer.Option(help="A hook that fails: stop the run, or drop the hook.")] = None,
    protocol: Annotated[str | None, typer.Option(help="How results are measured.", metavar="NAME")] = None,
    no_plugin: NoPlugin = [],  # noqa: B006
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Run directory; default: a new one in runs/.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue this run; with --steps, train it longer.", autocompletion=runs, metavar="RUN"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, take one tiny step, print the experiment.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result object, alone.")] = False,
) -> None:
    """Train a lifter from exchangeable parts, and evaluate it."""
    from poseplug.cli.render import print_json, print_result, reporting, say

    given: dict[str, float | str | None] = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "lr": lr}
    given |= {"seed": seed, "seeds": seeds, "precision": precision, "protocol": protocol, "hook_errors": hook_errors}
    given["pretrained"] = start or None
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
    """Return what to run, and where."""
    from poseplug.registry.runs.execute import new_directory
    from poseplug.registry.runs.plan import make_plan
    from poseplug.registry.runs.resume import resumed_plan

    if resume is None:
        plan = make_plan(flags.document(catalogue), catalogue)
        return plan, new_directory(plan, out)
    directory = RunDirectory(resume)
    if out is not None and out.absolute() != resume.absolute():
        raise PoseplugError(f"--resume {resume} continues in that folder; leave out --out.")
    return resumed_plan(directory, lambda stored: flags.document(catalogue, below=stored), catalogue), directory


def _train(
    plan: Plan, catalogue: Catalogue, device: torch.device, directory: RunDirectory, *, resume: bool
) -> dict[str, Any]:
    from poseplug.cli.progress import TrainingProgress, preparing, stop_on_interrupt
    from poseplug.cli.render import say, warn
    from poseplug.core.training.trainer import Trainer
    from poseplug.registry.runs.execute import execute

    parts = ", ".join(f"{kind} {name}" for kind, name in plan.components().items() if kind != "objective")
    with stop_on_interrupt(directory) as watch, TrainingProgress() as progress, ExitStack() as before:
        before.enter_context(preparing())

        def began(trainer: Trainer) -> None:
            before.close()
            say(f"{parts}; {device}; into {directory.path}")
            progress.begin()
            watch(trainer)

        hooks = {"progress": progress}
        return execute(plan, catalogue, device, directory, resume=resume, hooks=hooks, warn=warn, began=began)
