"""``poseplug run``: assemble and train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseplug.cli.complete import names_of
from poseplug.cli.switches import NoPlugin, switched_off

if TYPE_CHECKING:
    import torch

    from poseplug.core.storage.run_directory import RunDirectory
    from poseplug.registry.config.experiment_file import Document
    from poseplug.registry.discovery.catalogue import Catalogue
    from poseplug.registry.runs.plan import Plan

EPILOG = """Examples:

poseplug run --source fk_generator --reweight cips --lifter semgcn

poseplug run --source bvh:path=mocap,cameras=h36m --augment rigid --eval wild=bvh:path=other,split=all

poseplug run --recipe posegu --lifter mlp --set lifter.channels=512 --out runs/narrow

poseplug run --recipe posegu --reweight none --seeds 5 --out runs/five

poseplug run --resume runs/narrow
"""
_PART = "NAME[:key=value,...]"


def _part(flag: str, kind: str, text: str) -> Any:
    return typer.Option(flag, help=text, metavar=_PART, autocompletion=names_of(kind))


def run(
    source: Annotated[list[str], _part("--source", "source", "Where poses come from; repeat to mix.")] = [],  # noqa: B006
    reference: Annotated[str, _part("--reference", "source", "Real poses that parts are fitted to.")] = "",
    augment: Annotated[list[str], _part("--augment", "augmentor", "Augmentor; repeat to chain.")] = [],  # noqa: B006
    reweight: Annotated[str, _part("--reweight", "reweighter", "How much each pose counts.")] = "",
    lifter: Annotated[str, _part("--lifter", "lifter", "The network that lifts 2D to 3D.")] = "",
    discriminate: Annotated[
        list[str], _part("--discriminate", "discriminator", "Tells real from made-up; repeatable.")
    ] = [],  # noqa: B006
    root: Annotated[str, _part("--root", "root", "Root estimator, for absolute positions.")] = "",
    objective: Annotated[str, _part("--objective", "objective", "Training regime; default: the lifter's.")] = "",
    hook: Annotated[list[str], _part("--hook", "hook", "Logger or other run-time hook; repeatable.")] = [],  # noqa: B006
    evaluate: Annotated[
        list[str],
        typer.Option("--eval", help="What to evaluate on; repeatable.", metavar=f"[LABEL=]{_PART}"),
    ] = [],  # noqa: B006
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
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16.")] = "",
    hook_errors: Annotated[str, typer.Option(help="A hook that fails: stop the run, or drop the hook.")] = "",
    protocol: Annotated[str, typer.Option(help="How results are measured.", metavar="NAME")] = "",
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
    from poseplug.cli.render import reporting

    scalars = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed}
    scalars |= {"seeds": seeds}
    texts = {"precision": precision, "protocol": protocol, "hook_errors": hook_errors}
    flags = {
        "single": {
            "reference": reference,
            "reweighter": reweight,
            "lifter": lifter,
            "root": root,
            "objective": objective,
        },
        "listed": {"source": source, "augmentor": augment, "discriminator": discriminate, "hook": hook},
        "eval": evaluate,
        "scalars": {k: v for k, v in scalars.items() if v is not None} | {k: v for k, v in texts.items() if v},
        "set": assignments,
    }
    with reporting(), switched_off(no_plugin):
        _run(flags, recipe, config, device, out, resume, dry_run=dry_run, as_json=as_json)


def _run(
    flags: dict[str, Any],
    recipe: str,
    config: Path | None,
    device_name: str,
    out: Path | None,
    resume: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from poseplug.cli.flags import document_from
    from poseplug.core.storage.run_directory import RunDirectory
    from poseplug.core.training.runtime import pick_device
    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.runs.execute import rehearse
    from poseplug.registry.runs.plan import make_plan

    catalogue = load_catalogue()
    device = pick_device(device_name)
    if resume is not None:
        directory = RunDirectory(resume)
        plan = _resumed_plan(flags, recipe, config, out, directory, catalogue)
    else:
        plan = make_plan(document_from(flags, recipe, config, catalogue), catalogue)
        name = f"{plan.parts['source.0'].name}-{plan.parts['lifter'].name}".replace(":", "-")
        directory = RunDirectory(out) if out is not None else RunDirectory.fresh(Path("runs"), name)
        directory.check_free()
    if dry_run:
        rehearse(plan, catalogue, device)
        _print_plan(plan, as_json)
        return
    _train(plan, catalogue, device, directory, resume=resume is not None, as_json=as_json)


def _resumed_plan(
    flags: dict[str, Any],
    recipe: str,
    config: Path | None,
    out: Path | None,
    directory: RunDirectory,
    catalogue: Catalogue,
) -> Plan:
    """Return the plan of the run to continue; refuse flags that would make it another run."""
    from poseplug.cli.flags import document_from
    from poseplug.core.errors import PoseplugError
    from poseplug.registry.config.experiment_file import differences, read_document
    from poseplug.registry.runs.plan import make_plan

    directory.check_resumable()
    if out is not None and out.absolute() != directory.path.absolute():
        raise PoseplugError(f"--resume {directory.path} continues in that folder; leave out --out.")
    stored: Document = read_document(directory.experiment)
    plan = make_plan(stored, catalogue)
    asked = make_plan(document_from(flags, recipe, config, catalogue, below=stored), catalogue)
    changed = differences(plan.document, asked.document)
    if changed:
        listed = "\n  ".join(changed)
        raise PoseplugError(
            f"'{directory.path}' was started with other settings, and a resumed run keeps its own:\n  {listed}\n"
            "Leave those flags out, or start a new run with another --out."
        )
    return plan


def _print_plan(plan: Plan, as_json: bool) -> None:
    import tomli_w

    from poseplug.cli.render import err, print_json

    if as_json:
        print_json(plan.document)
    else:
        typer.echo(tomli_w.dumps(plan.document).rstrip())
    err().print("The parts fit and one step works; nothing was trained or written.")


def _train(
    plan: Plan, catalogue: Catalogue, device: torch.device, directory: RunDirectory, *, resume: bool, as_json: bool
) -> None:
    from poseplug.cli.interrupt import stop_on_interrupt
    from poseplug.cli.progress import TrainingProgress
    from poseplug.cli.render import err, print_json, print_result
    from poseplug.registry.runs.execute import execute

    parts = ", ".join(f"{kind} {name}" for kind, name in plan.experiment.components().items() if kind != "objective")
    err().print(f"{parts}; {device}; into {directory.path}", soft_wrap=True, markup=False)
    with stop_on_interrupt(directory) as watch, TrainingProgress() as progress:
        result = execute(
            plan,
            catalogue,
            device,
            directory,
            resume=resume,
            hooks={"progress": progress},
            warn=lambda message: err().print(f"warning: {message}", markup=False, soft_wrap=True),
            began=watch,
        )
    if as_json:
        print_json(result)
        return
    print_result(result)
    err().print(f"Results, model and history are in {directory.path}", soft_wrap=True, markup=False)
