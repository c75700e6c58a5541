"""From a run and a file of key points to files: what ``poseplug lift`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.own_layout import find_layout
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.keypoints.open_keypoints import open_keypoints
from poseplug.core.training.runtime import pick_device
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.lift import Liftable, lifting
from poseplug.registry.lifting.outputs import check_outputs, refuse_existing, refuse_twice, write
from poseplug.registry.lifting.scenes.photos import Photos
from poseplug.registry.lifting.settings import LiftSettings


@attrs.frozen(kw_only=True)
class Outputs:
    """What is written: files of poses, by suffix; a picture; a page."""

    out: Sequence[Path] = ()
    picture: Path | None = None
    page: Path | None = None
    force: bool = False

    def check(self, keypoints: str) -> None:
        """Raise PoseplugError if one of them cannot be written, before anything is lifted."""
        from poseplug.registry.lifting.pictures.page import check_page
        from poseplug.registry.lifting.pictures.picture import check_picture

        check_outputs(self.out, force=self.force)
        paths = [path for path in (*self.out, self.picture, self.page) if path is not None]
        refuse_twice(paths)
        if keypoints and Path(keypoints).resolve() in [path.resolve() for path in paths]:
            raise PoseplugError(f"'{keypoints}' holds the key points, which are not replaced; choose another file.")
        for path, check in ((self.picture, check_picture), (self.page, check_page)):
            if path is not None:
                check(path)
                refuse_existing([path], force=self.force)


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


def open_asked(
    path: Path,
    form: str,
    skeleton: str,
    size: tuple[int, int] | None,
    catalogue: Catalogue,
    *,
    detector: str = "",
    boxes: Path | None = None,
    device: str = "auto",
) -> tuple[Liftable, Mapping[str, Any]]:
    """Open key points as ``open_file`` does, with a detector those that it finds in pictures, or pictures alone.

    Args:
        path: a file or folder of key points; with a detector, or for a run that reads images, a picture, or a folder
            of them.
        form, skeleton, size: as ``open_file`` takes them.
        catalogue: what is installed.
        detector: the folder of a trained one, or NAME:key=value,...
        boxes: of people in the pictures, as COCO's.
        device: where the detector computes.

    Raises:
        PoseplugError: see ``open_file`` and ``find_in_images``; something was said that does not go with the other.
    """
    if not detector:
        if boxes is not None:
            raise PoseplugError("--boxes says where people are in images; say with --detector who finds their joints.")
        if form == "auto" and not skeleton and Photos.are_at(path):
            return Photos.of(path), {}
        return open_file(path, form, skeleton, size)
    if form != "auto" or skeleton:
        raise PoseplugError(
            "--format and --skeleton are of key points in files; a detector knows its own: leave them out."
        )
    from poseplug.registry.detection.opened import find_in_images

    return find_in_images(detector, path, boxes, catalogue, pick_device(device)), {}


def default_out(keypoints: Path) -> Path:
    """Return where poses go if nobody says so: an .npz in the current folder."""
    return Path(f"{keypoints.stem or 'keypoints'}-3d.npz")


def lift_to_files(
    run: str,
    file: Liftable,
    settings: LiftSettings,
    outputs: Outputs,
    catalogue: Catalogue,
    *,
    name: str = "",
) -> dict[str, Any]:
    """Lift a file's people and write what is asked for; return a summary, ready for JSON.

    Raises:
        PoseplugError: see ``lifting``; a file that cannot be written.
    """
    outputs.check(name)
    with lifting(run, file, settings, catalogue) as lifted:
        written = [path for out in outputs.out for path in write(out, lifted, force=outputs.force)]
        if outputs.picture is not None:
            from poseplug.registry.lifting.pictures.picture import write_picture

            written += write_picture(outputs.picture, lifted)
        if outputs.page is not None:
            from poseplug.registry.lifting.pictures.page import write_page

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
