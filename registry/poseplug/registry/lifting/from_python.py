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
    """

    picture: Path | str | None
    page: Path | str | None
    format: str
    skeleton: str
    fps: float | None
    force: bool


def lift_file(
    run: Path | str,
    keypoints: Path | str,
    out: Path | str | Sequence[Path | str] = (),
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Lift a file or folder of 2D key points, and write what is asked for; return the summary of ``poseplug lift``.

    Args:
        run: the folder of a finished run, or the name of a trained model.
        keypoints: the file or folder.
        out: files of poses; their suffixes say how.
        options: further files, and how it is done; see ``Options``.

    Raises:
        PoseplugError: what was asked cannot be.
    """
    import attrs

    from poseplug.registry.discovery.catalogue import load_catalogue
    from poseplug.registry.lifting.files import Outputs, lift_to_files, open_file
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
    settings = LiftSettings(**said)
    file, made = open_file(Path(keypoints), form, skeleton, settings.size)
    settings = attrs.evolve(settings, made={**made, **settings.made})
    return lift_to_files(str(run), file, settings, outputs, load_catalogue(), name=str(keypoints))
