"""``poseplug lift``: your own key points as 3D poses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseplug.cli.options import AsJson, Force, RunOrModel, names_of

EPILOG = """\b
Examples:
  poseplug lift starter detections.json
  poseplug lift runs/mine openpose/ --size 1920x1080 --out walk.bvh
  poseplug lift runs/mine detections.json --smooth 9 --picture walk.gif
  poseplug lift runs/mine photos/ --detector detectors/mine --boxes people.json
"""


def lift(
    run: RunOrModel,
    keypoints: Annotated[
        Path,
        typer.Argument(
            help="A file or folder of 2D key points; with --detector a picture or a folder.", metavar="KEYPOINTS"
        ),
    ],
    out: Annotated[
        list[Path],
        typer.Option(
            help=".npz, .json, .bvh or .safetensors; repeatable. Default: an .npz in this folder.", metavar="FILE"
        ),
    ] = [],  # noqa: B006
    picture: Annotated[Path | None, typer.Option(help="Some frames (.png), or all (.gif).", metavar="FILE")] = None,
    page: Annotated[Path | None, typer.Option(help="A page with the poses in 3D (.html).", metavar="FILE")] = None,
    detector: Annotated[
        str,
        typer.Option(
            help="Finds the key points in images: a trained one's folder, or NAME:weights=FILE.",
            metavar="DETECTOR",
            autocompletion=names_of("detector"),
        ),
    ] = "",
    boxes: Annotated[
        Path | None, typer.Option(help="Of people in the images, as COCO's; default: one fills each.", metavar="FILE")
    ] = None,
    keypoint_format: Annotated[str, typer.Option("--format", help="Of the key points; default: as it looks.")] = "auto",
    skeleton: Annotated[
        str, typer.Option(help="Layout of the key points, or a TOML file; default: as the format says.")
    ] = "",
    own: Annotated[
        list[str],
        typer.Option(
            "--map", help="How a joint is made: Head=LEar+REar; none: missing; repeatable.", metavar="JOINT=..."
        ),
    ] = [],  # noqa: B006
    size: Annotated[str, typer.Option(help="Of the images, pixels.", metavar="WxH")] = "",
    focal: Annotated[float | None, typer.Option(help="Focal length, pixels.")] = None,
    fov: Annotated[float | None, typer.Option(help="Horizontal field of view, degrees.")] = None,
    camera: Annotated[
        str, typer.Option(help="Both focal lengths and the principal point, pixels.", metavar="FX,FY,CX,CY")
    ] = "",
    tilt: Annotated[
        float | None,
        typer.Option(
            help="The camera looks down by so much, degrees; for runs by voxels, such as ren. Default: level."
        ),
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(help="Who is found scores more; for runs that search. Default: as the run's protocol says."),
    ] = None,
    view: Annotated[
        str, typer.Option(help="How the lifter sees people: given, centred, or auto, which is given if it can be.")
    ] = "auto",
    person: Annotated[str, typer.Option(help="all, best, or the number of a track.")] = "all",
    min_confidence: Annotated[float, typer.Option(help="Joints below it count as missing.")] = 0.1,
    max_gap: Annotated[int, typer.Option(help="Frames over which missing joints are interpolated.")] = 10,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirror image.")] = False,
    smooth: Annotated[str, typer.Option(help="Window of smoothing over time: 9 frames, or 0.3s.")] = "0",
    fps: Annotated[float | None, typer.Option(help="Frames a second, where the key points do not say.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:K.")] = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Lift 2D key points of a detector or data set, or people in images, to 3D with a finished run."""
    from poseplug.cli.progress import counting
    from poseplug.cli.render import print_json, reporting, say, warn

    with reporting():
        from poseplug.core.detection.found_in_images import FoundInImages
        from poseplug.registry.discovery.catalogue import load_catalogue
        from poseplug.registry.lifting import settings as said
        from poseplug.registry.lifting.files import Outputs, default_out, lift_to_files, open_asked
        from poseplug.registry.lifting.scenes.photos import Photos

        said.check_fps(fps)
        image = said.parse_size(size) if size else None
        catalogue = load_catalogue()
        file, made = open_asked(
            keypoints, keypoint_format, skeleton, image, catalogue, detector=detector, boxes=boxes, device=device
        )
        settings = said.LiftSettings(
            size=image,
            focal=focal,
            fov=fov,
            camera=said.parse_camera(camera) if camera else None,
            tilt=tilt,
            score=score,
            view=view,
            person=person,
            min_confidence=min_confidence,
            max_gap=max_gap,
            made={**made, **said.parse_made(own)},
            flip=flip,
            smooth=said.parse_window(smooth, fps or file.fps),
            fps=fps,
            device=device,
        )
        asked = [*out] if out or picture or page else [default_out(keypoints)]
        outputs = Outputs(out=asked, picture=picture, page=page, force=force)
        with counting("pictures") as progress:
            if isinstance(file, FoundInImages | Photos):
                file.progress = progress
            found = lift_to_files(run, file, settings, outputs, catalogue, name=str(keypoints))
        for warning in found["warnings"]:
            warn(warning)
        if as_json:
            print_json(found)
            return
        say(f"{keypoints} ({file.format}) lifted by {run}")
        for note in found["notes"]:
            say(f"  {note}")
        say(f"Written: {', '.join(found['files'])}")
