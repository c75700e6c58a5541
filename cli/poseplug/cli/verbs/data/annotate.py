"""``poseplug data annotate``: joints of people in images, in 2D and 3D, on a page of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import runs_and_models

EPILOG = """\b
Examples:
  poseplug data annotate photos/
  poseplug data annotate photos/ --lifter runs/mine --out poses.safetensors --fov 60
  poseplug data annotate frames/ --keypoints detections.json
"""


def annotate(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of them.", metavar="IMAGES...")],
    lifter: Annotated[
        str,
        typer.Option(
            help="Lifts what is marked: a folder of a run or a trained model.",
            metavar="RUN",
            autocompletion=runs_and_models,
        ),
    ] = "starter",
    out: Annotated[Path, typer.Option(help="The posefile; work in progress lies beside it.", metavar="FILE")] = Path(
        "annotated.safetensors"
    ),
    keypoints: Annotated[Path | None, typer.Option(help="Key points to begin with.", metavar="FILE")] = None,
    skeleton: Annotated[str, typer.Option(help="A layout, or a TOML file.")] = "h36m17",
    focal: Annotated[float | None, typer.Option(help="Focal length, pixels.")] = None,
    fov: Annotated[float | None, typer.Option(help="Horizontal field of view, degrees.")] = None,
    limits: Annotated[
        Path | None, typer.Option(help="Joint limits; default: those that come with poseplug.", metavar="FILE")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: any that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the page's address.")] = False,
) -> None:
    """Mark people's joints in images, lift them, correct them in 3D; write a posefile."""
    from poseplug.cli.render import busy, print_text, reporting, say

    with reporting():
        from poseplug.registry.annotation.opening import open_session
        from poseplug.registry.annotation.server import AnnotationServer
        from poseplug.registry.discovery.catalogue import load_catalogue

        with busy("opening images and lifter"):
            opened = open_session(
                *(images, out, load_catalogue()),
                run=lifter,
                skeleton=skeleton,
                keypoints=keypoints,
                focal=focal,
                fov=fov,
                limits=limits,
            )
        try:
            with AnnotationServer(opened.session, port) as server:
                for note in opened.notes:
                    say(f"  {note}")
                say("Annotate on this page; Ctrl-C ends and writes the posefile:")
                print_text(server.address)
                if not no_browser:
                    typer.launch(server.address)
                try:
                    server.serve_forever()
                except KeyboardInterrupt:
                    say(opened.session.save().in_words(out))
        finally:
            opened.folder.close()
