"""From a run and a file of key points to files: what ``poseplug lift`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import attrs

from poseplug.core.geometry.own_layout import find_layout
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.open_keypoints import open_keypoints
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.lift import lifting
from poseplug.registry.lifting.outputs import check_outputs, refuse_existing, write
from poseplug.registry.lifting.settings import LiftSettings, Said


@attrs.frozen(kw_only=True)
class Outputs:
    """What is written: files of poses, by suffix; a picture; a page."""

    out: Sequence[Path] = ()
    picture: Path | None = None
    page: Path | None = None
    force: bool = False

    def check(self) -> None:
        """Raise PoseplugError if one of them cannot be written, before anything is lifted."""
        from poseplug.registry.lifting.page import check_page
        from poseplug.registry.lifting.picture import check_picture

        check_outputs(self.out, force=self.force)
        for path, check in ((self.picture, check_picture), (self.page, check_page)):
            if path is not None:
                check(path)
                refuse_existing([path], force=self.force)


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
    out: Path | str | Sequence[Path | str],
    catalogue: Catalogue,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Lift a file or folder of key points; see ``poseplug.registry.api.lift_file``."""
    said: dict[str, Any] = dict(options)
    picture, page = (said.pop(name, None) for name in ("picture", "page"))
    outputs = Outputs(
        out=[Path(out)] if isinstance(out, Path | str) else list(map(Path, out)),
        picture=picture and Path(picture),
        page=page and Path(page),
        force=said.pop("force", False),
    )
    fps = said.pop("fps", None)
    file, made = open_file(Path(keypoints), said.pop("format", "auto"), said.pop("skeleton", ""), said.get("size"))
    settings = LiftSettings(**{**said, "made": {**made, **said.get("made", {})}})
    return lift_to_files(str(run), file, settings, outputs, catalogue, name=str(keypoints), fps=fps)


def open_file(
    path: Path, form: str, skeleton: str, size: tuple[int, int] | None
) -> tuple[KeypointFile, Mapping[str, Any]]:
    """Open key points; return them, and how joints of others are made of the user's own skeleton.

    Args:
        path: the file or folder.
        form: its format, or "auto".
        skeleton: the name of a layout, a TOML file, or "".
        size: of the images, pixels, where the user says it.

    Raises:
        PoseplugError: no such file, format or skeleton; the beginning is damaged.
    """
    own = find_layout(skeleton) if skeleton else None
    file = open_keypoints(path, format=form, skeleton=own.skeleton if own else None, size=size)
    return file, own.made if own else {}


def default_out(keypoints: Path) -> Path:
    """Return where poses go if nobody says so: an .npz in the current folder."""
    return Path(f"{keypoints.stem or 'keypoints'}-3d.npz")


def lift_to_files(
    run: str,
    file: KeypointFile,
    settings: LiftSettings,
    outputs: Outputs,
    catalogue: Catalogue,
    *,
    name: str = "",
    fps: float | None = None,
) -> dict[str, Any]:
    """Lift a file's people and write what is asked for; return a summary, ready for JSON.

    Raises:
        PoseplugError: see ``lifting``; a file that cannot be written.
    """
    outputs.check()
    with lifting(run, file, settings, catalogue, fps) as lifted:
        written = [path for out in outputs.out for path in write(out, lifted, force=outputs.force)]
        if outputs.picture is not None:
            from poseplug.registry.lifting.picture import write_picture

            written += write_picture(outputs.picture, lifted)
        if outputs.page is not None:
            from poseplug.registry.lifting.page import write_page

            written += write_page(outputs.page, lifted, Path(name).name)
        return {
            "run": run,
            "keypoints": name,
            "format": file.format,
            "skeleton": lifted.skeleton.name,
            **lifted.facts,
            "fps": lifted.fps,
            "root_estimated": lifted.root_estimated,
            "notes": list(lifted.notes),
            "warnings": list(lifted.warnings),
            "files": [str(path) for path in written],
        }
