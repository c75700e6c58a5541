"""Drawing people: what was seen of them, and beside it what became of it."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.lifting.lifted import LiftedPoses
from poseplug.registry.lifting.spool import Array
from poseplug.registry.reports.colours import SIDE_COLOURS
from poseplug.registry.reports.statistics import missing

_PAPER, _FRAME, _FLOOR, _TEXT = "#ffffff", "#d8dce3", "#e6e9ee", "#667085"
# Everything is drawn larger and made smaller, so that lines are smooth.
_FINER = 2
# From where people are looked at in 3D: a little from their side of the camera, and from above.
_AROUND, _ABOVE = np.radians(30), np.radians(12)


def standing(poses: LiftedPoses) -> Array:
    """Return joints [n, J, 3] of people in a frame: one about their root, of several each in their place."""
    if len(poses) == 1 or not np.isfinite(poses.root).all():
        return poses.joints_3d
    placed: Array = poses.joints_3d + poses.root[:, None] - poses.root.mean(0)
    return placed


@attrs.frozen(eq=False)
class Stage:
    """What all frames of a picture share.

    Attributes:
        skeleton: the layout.
        box: left, top, right and bottom of what is shown of the image, pixels.
        middle: what stands in the middle in 3D, in metres right and down of what people are placed about.
        half: half the width of what is shown in 3D, metres.
        ground: how far below the root, or the mean root, the floor is, metres.
        reach: how far from the middle the floor goes, metres.
        side: of each of the two panels, pixels.
    """

    skeleton: Skeleton
    box: tuple[float, float, float, float]
    middle: tuple[float, float]
    half: float
    ground: float
    reach: float
    side: int = 320

    @classmethod
    def around(cls, skeleton: Skeleton, shown: list[LiftedPoses], side: int = 320) -> Stage:
        """Return a stage that holds all people of these frames."""
        pixels = np.concatenate([poses.joints_2d.reshape(-1, 2) for poses in shown])
        low, high = pixels.min(0), pixels.max(0)
        middle, span = (low + high) / 2, max(float((high - low).max()) * 0.58, 1.0)
        points = np.concatenate([standing(poses).reshape(-1, 3) for poses in shown])
        turned = _turned(points)[:, :2]
        least, most = turned.min(0), turned.max(0)
        middle_3d = (least + most) / 2
        left, top = (middle - span).tolist()
        right, bottom = (middle + span).tolist()
        return cls(
            skeleton,
            (left, top, right, bottom),
            (float(middle_3d[0]), float(middle_3d[1])),
            float((most - least).max()) * 0.58,
            float(np.quantile(points[:, 1], 0.99)),
            float(np.abs(points[:, [0, 2]]).max()),
            side,
        )

    def draw(self, poses: LiftedPoses, title: str) -> Any:
        """Return a picture of one frame's people: as they were seen, and to the right of it as they were lifted."""
        image_kind, draw_kind = pillow()
        side = self.side * _FINER
        image = image_kind.new("RGB", (2 * side, side), _PAPER)
        pen = draw_kind.Draw(image)
        for start, end in _turned(_floor(self.reach, self.ground)).reshape(-1, 2, 3):
            pen.line([*self._place(start, side), *self._place(end, side)], fill=_FLOOR, width=_FINER)
        for person in standing(poses):
            turned = _turned(person)
            places = np.array([self._place(joint, side) for joint in turned])
            self._bones(pen, places, turned[:, 2], np.ones(len(places), bool), side)
        pen.rectangle([0, 0, side, side], fill=_PAPER)
        left, top, right, _ = self.box
        scale = side / (right - left)
        for person in range(len(poses)):
            seen = (poses.joints_2d[person] - [left, top]) * scale
            self._bones(pen, seen, np.zeros(len(seen)), poses.confidence[person] > 0, side)
        pen.line([side, 0, side, side], fill=_FRAME, width=_FINER)
        pen.rectangle([0, 0, 2 * side - 1, side - 1], outline=_FRAME, width=_FINER)
        small = image.reduce(_FINER)
        pen = draw_kind.Draw(small)
        pen.text((8, 5), title, fill=_TEXT)
        pen.text((self.side + 8, 5), "lifted, from the side", fill=_TEXT)
        return small

    def _place(self, point: Array, side: int) -> tuple[float, float]:
        scale, (x, y) = side / 2 / self.half, self.middle
        return 1.5 * side + (float(point[0]) - x) * scale, 0.5 * side + (float(point[1]) - y) * scale

    def _bones(self, pen: Any, places: Array, depth: Array, known: Array, side: int) -> None:
        """Draw bones, far ones first; those to joints that were not found are thin."""
        width = max(2, round(side / 110))
        order = sorted(range(self.skeleton.num_bones), key=lambda i: -depth[list(self.skeleton.bones[i])].sum())
        for bone in order:
            a, b = self.skeleton.bones[bone]
            colour = SIDE_COLOURS[self.skeleton.bone_sides[bone]]
            thick = width if known[a] and known[b] else max(1, width // 3)
            pen.line([*places[a], *places[b]], fill=colour, width=thick)
            for joint in (a, b):
                x, y = places[joint]
                pen.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=colour)


def _turned(points: Array) -> Array:
    """Return points [..., 3] turned about the vertical, then tipped towards the viewer."""
    x, y, z = np.moveaxis(points, -1, 0)
    x, z = x * np.cos(_AROUND) + z * np.sin(_AROUND), z * np.cos(_AROUND) - x * np.sin(_AROUND)
    y, z = y * np.cos(_ABOVE) - z * np.sin(_ABOVE), z * np.cos(_ABOVE) + y * np.sin(_ABOVE)
    return np.stack([x, y, z], -1)


def _floor(reach: float, ground: float) -> Array:
    """Return the ends [2 K, 3] of the lines of a floor of half metres."""
    reach = np.ceil(2 * reach + 0.2) / 2
    at = np.arange(-reach, reach + 0.01, 0.5)
    one, other = np.meshgrid(at, [-reach, reach], indexing="ij")
    lines = np.stack([one, np.full_like(one, ground), other], -1).reshape(-1, 3)
    return np.concatenate([lines, lines[:, ::-1]])


def pillow() -> tuple[Any, Any]:
    """Return what makes images and what draws into them; raise PoseplugError where Pillow is not installed."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise missing("pillow") from None
    return Image, ImageDraw
