"""Lifting files from Python; nothing heavy is imported before it is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from poseplug.registry.lifting.settings import Said


class Options(Said, total=False):
    """What is written besides files of poses, and what the key points are; how they are lifted: ``LiftSettings``.

    Attributes:
        picture: some frames as .png, or an animation as .gif.
        page: a page with the poses in 3D, .html.
        format: of the key points, where they are not what they look like.
        skeleton: their layout, where the format does not say or says otherwise: a name, or a TOML file.
        fps: frames a second, where the key points do not say.
        force: replace files that are there.
        detector: finds the key points in images: the folder of a trained one, or NAME:weights=FILE.
        boxes: of people in the images, a file as COCO's; without one, a person fills each.
    """

    picture: Path | str | None
    page: Path | str | None
    format: str
    skeleton: str
    fps: float | None
    force: bool
    detector: str
    boxes: Path | str | None


def lift_file(
    run: Path | str,
    keypoints: Path | str,
    out: Path | str | Sequence[Path | str] = (),
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Lift a file or folder of 2D key points, or images, and write what is asked for; return a summary.

    Args:
        run: the folder of a finished run, or the name of a trained model.
        keypoints: the file or folder; with ``detector`` a picture or a folder of them.
        out: files of poses; their suffixes say how.
        options: further files, and how it is done; see ``Options``.

    Raises:
        PoseplugError: what was asked cannot be.
    """
    import attrs

    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.lifting.files import Outputs, lift_to_files, open_asked
    from poseplug.registry.lifting.settings import LiftSettings

    said: dict[str, Any] = dict(options)
    picture, page = (said.pop(name, None) for name in ("picture", "page"))
    outputs = Outputs(
        out=[Path(out)] if isinstance(out, Path | str) else list(map(Path, out)),
        picture=picture and Path(picture),
        page=page and Path(page),
        force=said.pop("force", False),
    )
    form, skeleton = said.pop("format", "auto"), said.pop("skeleton", "")
    detector, boxes = said.pop("detector", ""), said.pop("boxes", None)
    settings = LiftSettings(**said)
    catalogue = load_catalogue()
    file, made = open_asked(
        *(Path(keypoints), form, skeleton, settings.size, catalogue),
        detector=detector,
        boxes=boxes and Path(boxes),
        device=settings.device,
    )
    settings = attrs.evolve(settings, made={**made, **settings.made})
    return lift_to_files(str(run), file, settings, outputs, catalogue, name=str(keypoints))
