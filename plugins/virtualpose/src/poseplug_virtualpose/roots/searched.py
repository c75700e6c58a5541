"""Whom an estimator found, with what it was told by."""

from __future__ import annotations

import attrs
from torch import Tensor

from poseplug.core.data.found import Found
from poseplug.core.data.scenes import Scenes
from poseplug_virtualpose.agr.decoding import Detections2D
from poseplug_virtualpose.maps import Maps
from poseplug_virtualpose.roots.depth_network import read_depth


@attrs.frozen(eq=False)
class Evidence:
    """What the losses of estimators that search are of: depth maps [S, h, w], metres."""

    depth: Tensor


@attrs.frozen(eq=False)
class Searched(Found):
    """Found people.

    Attributes:
        evidence: of all scenes; stays whole when people are selected.
    """

    evidence: Evidence | None = None


def located(detections: Detections2D, depth: Tensor, maps: Maps, scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Return roots [M, 3] in the camera frame and their depths [M], metres, as depth maps [S, h, w] tell."""
    depths = read_depth(depth, detections.scene, detections.place)
    pixels = maps.letterbox.pixels(detections.place[:, None], detections.scene)
    cameras = scenes.camera.select(detections.scene)
    return cameras.unproject(pixels, depths[:, None])[:, 0], depths
