"""From what the user says to a session: everything that can be wrong is found before a page is served."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import torch

from poseplug.core.geometry.own_layout import find_layout
from poseplug.registry.annotation.begin import people_of
from poseplug.registry.annotation.body_limits import BodyLimits
from poseplug.registry.annotation.folder import AnnotationFolder, folder_of
from poseplug.registry.annotation.images import ImageFile, find_images
from poseplug.registry.annotation.lifter import FirstPose
from poseplug.registry.annotation.session import Session
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.views.cameras import CameraRule


@attrs.frozen
class Opened:
    """A session, and sentences on how it begins."""

    session: Session
    folder: AnnotationFolder
    notes: tuple[str, ...]


def open_session(
    paths: Sequence[Path],
    out: Path,
    catalogue: Catalogue,
    *,
    run: str = "starter",
    skeleton: str = "h36m17",
    keypoints: Path | None = None,
    focal: float | None = None,
    fov: float | None = None,
    limits: Path | None = None,
) -> Opened:
    """Begin to annotate images, or go on.

    Args:
        paths: images, and folders of them.
        out: the posefile.
        catalogue: finds the run.
        run: the folder of a finished run, or the name of a trained model, that lifts what is marked.
        skeleton: the name of a layout, or a TOML file.
        keypoints: a file of them to begin with; only images that were never changed are given any.
        focal, fov: focal length in pixels, or horizontal field of view in degrees; neither: a guess.
        limits: a file of joint limits; None: those that come with poseplug.

    Raises:
        PoseplugError: no images; an image that cannot be read; no such run or skeleton; something else is at ``out``;
            somebody else writes there; key points that are not of these images; a file that holds no limits.
    """
    folder_of(out)
    said = LiftSettings(focal=focal, fov=fov)
    layout = find_layout(skeleton).skeleton
    images = find_images(paths)
    people, how = people_of(keypoints, images, layout) if keypoints else ({}, "")
    first, body = FirstPose(run, layout, catalogue), BodyLimits.of(layout, limits)
    folder = AnnotationFolder(out, layout)
    try:
        session = Session(images, folder, out, first, _focal(images, said), body)
        begun = session.begin_with(people)
    except BaseException:
        folder.close()
        raise
    notes = [f"{len(images)} images, lifter {run}, skeleton {layout.name}"]
    known = sum(bool(session.state(number).people) for number in range(len(images)))
    notes += [f"{begun} people of {keypoints} to begin with; {how}"] * bool(keypoints)
    notes += [f"{known} images have people already"] * bool(known)
    if focal is None and fov is None:
        notes.append("focal lengths are a guess, 1.145 times the longer side (--focal, --fov)")
    return Opened(session, folder, tuple(notes))


def _focal(images: Sequence[ImageFile], said: LiftSettings) -> list[float]:
    sizes = torch.tensor([image.size for image in images], dtype=torch.float32)
    rule = CameraRule.of(said, (0.0, 0.0), True)
    return [round(value, 3) for value in rule.cameras(sizes).focal[:, 0].tolist()]
