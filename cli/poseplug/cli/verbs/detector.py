"""``poseplug detector``: detectors of joints in images, trained and measured."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poseplug.cli.options import AsJson, names_of

if TYPE_CHECKING:
    from poseplug.core.detection.training import DetectorTrainer
    from poseplug.registry.detection.opened import OpenedDetector
    from poseplug.registry.detection.train import Labels

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LabelsFile = Annotated[Path, typer.Argument(help="Annotations in COCO's format.", metavar="LABELS")]
Images = Annotated[Path, typer.Argument(help="The folder that its file names begin in.", metavar="IMAGES")]
Skeleton = Annotated[str, typer.Option(help="Layout of the labels, or a TOML file; default: as they say.")]
Made = Annotated[
    list[str], typer.Option("--map", help="How a joint is made: Head=LEar+REar; repeatable.", metavar="JOINT=...")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")]


@app.command(
    epilog="""\b
Examples:
  poseplug detector train people.json images --detector hrnet:width=32 --out detectors/mine
  poseplug detector train people.json images --detector hrnet:weights=pose_hrnet_w48_384x288.pth \\
      --layout h36m17 --steps 18000 --out detectors/h36m
"""
)
def train(
    labels: LabelsFile,
    images: Images,
    detector: Annotated[
        str,
        typer.Option(help="What is trained.", metavar="NAME[:key=value,...]", autocompletion=names_of("detector")),
    ] = "hrnet",
    out: Annotated[Path, typer.Option(help="A new folder for the detector.", metavar="FOLDER")] = Path("detector"),
    skeleton: Skeleton = "",
    layout: Annotated[str, typer.Option(help="Layout of what is to be found; default: that of the labels.")] = "",
    own: Made = [],  # noqa: B006
    steps: Annotated[int, typer.Option(help="Training steps.")] = 18_000,
    batch_size: Annotated[int, typer.Option(help="People per step.")] = 24,
    lr: Annotated[float | None, typer.Option(help="Learning rate; default: the detector's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    flip: Annotated[float, typer.Option(help="Share of crops that are mirrored.")] = 0.5,
    scale: Annotated[float, typer.Option(help="By how much crops become nearer or farther.")] = 0.25,
    rotation: Annotated[float, typer.Option(help="By how much some crops are turned, degrees.")] = 30.0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, take one tiny step, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a detector on people whose joints are marked in images."""
    from poseplug.cli.render import print_json, reporting, say

    with reporting():
        from poseplug.core.detection.augmentation import CropChanges
        from poseplug.core.detection.training import DetectorTraining
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.config.read_settings import structure
        from poseplug.registry.detection import train as training
        from poseplug.registry.discovery.catalogue import load_catalogue

        given = {"steps": steps, "batch_size": batch_size, "seed": seed} | ({} if lr is None else {"lr": lr})
        changes = {"flip": flip, "scale": scale, "rotation": math.radians(rotation)}
        asked = training.Asked(
            detector=detector,
            labels=_labels(labels, images, skeleton, own, layout),
            training=structure(DetectorTraining, given, "the training"),
            changes=structure(CropChanges, changes, "the training"),
        )
        catalogue, where = load_catalogue(), pick_device(device)
        if dry_run:
            opened = training.rehearse(asked, catalogue, where)
            say(f"{opened.name} fits and one step works; nothing was trained or written.")
            return
        with _stopping() as watch:

            def begins(opened: OpenedDetector, trainer: DetectorTrainer) -> None:
                for note in opened.detector.notes:
                    say(note)
                say(
                    f"{opened.name}, {opened.detector.skeleton.name}; {len(trainer.people)} people; {where}; into {out}"
                )
                watch(trainer)

            result = training.train(asked, catalogue, where, out, resume=resume, began=begins)
        if as_json:
            print_json(result)
            return
        _print("detector", result["on_training_people"])
        say(f"The detector is in {out}; use it: poseplug lift RUN IMAGES --detector {out}")


@contextmanager
def _stopping() -> Iterator[Callable[[DetectorTrainer], None]]:
    """Give what is told of the trainer: it shows progress, and Ctrl-C lets the step end and keeps the state."""
    from poseplug.cli.progress import counting
    from poseplug.cli.render import err, say

    before = signal.getsignal(signal.SIGINT)
    with counting("steps") as bar:

        def began(trainer: DetectorTrainer) -> None:
            def ask(*_: object) -> None:
                trainer.stop_requested = True
                signal.signal(signal.SIGINT, before)

            def told(step: int, losses: Any) -> None:
                total = trainer.training.steps
                bar(step, total)
                if not err().is_terminal and (step == total or step * 10 // total != last[0] * 10 // total):
                    say(f"step {step}/{total}  " + "  ".join(f"{name} {loss:.4g}" for name, loss in losses.items()))
                last[0] = step

            last = [trainer.step]
            trainer.told = told
            signal.signal(signal.SIGINT, ask)

        try:
            yield began
        finally:
            signal.signal(signal.SIGINT, before)


@app.command(
    "eval",
    epilog="""\b
Examples:
  poseplug detector eval detectors/mine people.json images
  poseplug detector eval hrnet:weights=pose_hrnet_w48_384x288.pth,super_resolution=false people.json images
""",
)
def evaluate(
    detector: Annotated[str, typer.Argument(help="The folder of a trained one, or NAME:weights=FILE.")],
    labels: LabelsFile,
    images: Images,
    skeleton: Skeleton = "",
    own: Made = [],  # noqa: B006
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Say how far off a detector is, in pixels of the images, and how many joints it finds (PCK)."""
    from poseplug.cli.progress import counting
    from poseplug.cli.render import print_json, reporting

    with reporting():
        from poseplug.core.training.runtime import pick_device
        from poseplug.registry.detection.train import evaluate as measure
        from poseplug.registry.discovery.catalogue import load_catalogue

        with counting("people") as progress:
            asked = _labels(labels, images, skeleton, own)
            found = measure(detector, asked, load_catalogue(), pick_device(device), progress)
        if as_json:
            print_json(found)
        else:
            _print(detector, found)


def _labels(path: Path, images: Path, skeleton: str, own: list[str], layout: str = "") -> Labels:
    from poseplug.registry.detection.train import Labels
    from poseplug.registry.lifting.settings import parse_made

    return Labels(path=path, folder=images, skeleton=skeleton, layout=layout, made=parse_made(own))


def _print(name: str, found: dict[str, Any]) -> None:
    from poseplug.cli.render import print_table

    columns = {key: f"PCK@{key.removeprefix('pck_')}" for key in found if key.startswith("pck_")}
    row = [name, str(found["people"]), str(found["joints"]), f"{found['error_px']:.2f}"]
    print_table(
        ("detector", "people", "joints", "error (px)", *columns.values()),
        [[*row, *(f"{found[key]:.1f}" for key in columns)]],
    )
    worst = sorted(found["error_px_by_joint"].items(), key=lambda item: -item[1])
    print_table(("joint", "error (px)"), [[joint, f"{error:.2f}"] for joint, error in worst])
