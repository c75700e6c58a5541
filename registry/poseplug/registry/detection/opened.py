"""Detectors as users name them: a component with its settings, or the folder of a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.detection.boxes import read_boxes
from poseplug.core.detection.detector import Detector
from poseplug.core.detection.found_in_images import FoundInImages
from poseplug.core.detection.stored import DetectorFolder
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.config.read_settings import unstructure
from poseplug.registry.config.resolve import Part, construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue


@attrs.frozen
class OpenedDetector:
    """A detector, and what it was made of."""

    part: Part
    detector: Detector

    @property
    def name(self) -> str:
        """What results are called after."""
        return self.part.plain_name

    def table(self) -> dict[str, Any]:
        """Return the component and its settings without those that are paths: what they brought is in its weights."""
        paths = {field.name for field in attrs.fields(type(self.part.config)) if field.metadata.get("path")}
        return {"name": self.part.name, **{k: v for k, v in unstructure(self.part.config).items() if k not in paths}}


def build_detector(
    said: str, catalogue: Catalogue, device: torch.device, skeleton: Skeleton | None = None, seed: int = 0
) -> OpenedDetector:
    """Return a detector from NAME[:key=value,...] with the initial weights of a seed, or from a folder, trained.

    Args:
        said: what the user typed.
        catalogue: what is installed.
        device: where it is put.
        skeleton: the layout that it is to find; None: the one it was trained for, or its own.
        seed: of initial weights.

    Raises:
        PoseplugError: there is no such detector or folder; bad settings; weights that do not fit.
    """
    folder = DetectorFolder(Path(said).expanduser())
    if not folder.description.exists():
        if "/" in said.partition(":")[0] or folder.path.is_dir():
            folder.read_about()
        part = find_part(catalogue, "detector", parse_spec(said))
        return _built(part, device, skeleton, seed)
    about = folder.read_about()
    layout = folder.layout()
    if skeleton is not None and skeleton != layout:
        raise PoseplugError(f"'{said}' finds the layout '{layout.name}', not '{skeleton.name}'; train another one.")
    opened = _built(find_part(catalogue, "detector", about["detector"]), device, layout, seed)
    folder.load(opened.detector)
    return opened


def _built(part: Part, device: torch.device, skeleton: Skeleton | None, seed: int) -> OpenedDetector:
    torch.manual_seed(seed)
    detector = construct(part, BuildContext(skeleton=skeleton, device=device, seed=seed))
    return OpenedDetector(part, detector.to(device))


@blaming
def find_in_images(
    said: str, pictures: Path, boxes: Path | None, catalogue: Catalogue, device: torch.device
) -> FoundInImages:
    """Return the people whom a detector finds in a picture or a folder of them, as a file of key points.

    Raises:
        PoseplugError: see ``build_detector``; the detector has no trained weights; there is no picture.
    """
    found = read_boxes(boxes) if boxes is not None else None
    opened = build_detector(said, catalogue, device)
    if opened.detector.untrained:
        raise PoseplugError(f"Detector '{said}' cannot find joints yet: {opened.detector.untrained}.")
    return FoundInImages.of(opened.name, opened.detector, pictures, found)
