"""Scenes as lines in two panels: the image, and the camera's space seen from its left and from above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.datasets.scenes.shown import SceneShown, ScenesShown
from poseplug.registry.reports.colours import SIDE_COLOURS

Array = NDArray[Any]
# Of what lines show: colour and width in points. Where a run was asked, the truth is a broad band below what it says.
STYLES = {
    "ground": ("#e6e9ee", 0.7),
    "camera": ("#667085", 1.0),
    "box": ("#98a2b3", 0.7),
    "truth": ("#c3cad5", 4.0),
    "error": ("#000000", 1.1),
    **{side: (colour, 1.6) for side, colour in SIDE_COLOURS.items()},
}
# From where space is looked at: turned until what is ahead goes to the right, and tipped.
_AROUND, _ABOVE = np.radians(62), np.radians(24)
# How long the camera's pyramid is, metres.
_CAMERA_M = 0.6


@attrs.frozen(eq=False)
class Panel:
    """A part of a picture.

    Attributes:
        title: what it shows.
        lines: of each thing that lines show, one of STYLES, their ends [K, 2, 2]; later ones lie above.
        box: left, right, bottom and top of what is seen.
        image: [H, W, 3] below the lines, where there is one.
        extent: left, right, bottom and top of the image.
    """

    title: str
    lines: Sequence[tuple[str, Array]]
    box: tuple[float, float, float, float]
    image: Array | None = None
    extent: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def panels(shown: ScenesShown) -> list[tuple[Panel, Panel]]:
    """Return image and space of each scene."""
    lines = shown.lines() if shown.model else [[] for _ in shown.scenes]
    return [
        (_image(shown.skeleton, scene, number), _space(shown.skeleton, scene, number, said, shown.given))
        for number, (scene, said) in enumerate(zip(shown.scenes, lines, strict=True), 1)
    ]


def _image(skeleton: Skeleton, scene: SceneShown, number: int) -> Panel:
    width, height = scene.size
    left, top, right, bottom = scene.boxes.T
    corners = np.stack([np.stack(xy, -1) for xy in ((left, top), (right, top), (right, bottom), (left, bottom))], 1)
    boxes = np.stack([corners, np.roll(corners, -1, 1)], 2).reshape(-1, 2, 2)
    of_people = _people(skeleton, scene.people.joints_2d, None if scene.found is None else scene.found.joints_2d)
    people = len(scene.people.space)
    persons = "1 person" if people == 1 else f"{people} people"
    title = f"scene {number}: {persons} in {width:.0f} x {height:.0f} pixels"
    return Panel(title, [("box", boxes), *of_people], (0, width, height, 0), scene.image, scene.extent)


def _space(skeleton: Skeleton, scene: SceneShown, number: int, said: Sequence[str], given: bool) -> Panel:
    everybody = [scene.people.space, *([] if scene.found is None else [scene.found.space])]
    points = np.concatenate([np.zeros((1, 3)), *(people.reshape(-1, 3) for people in everybody)])
    ground = _ground(points, scene.ground)
    lens = scene.camera * _CAMERA_M
    camera = np.concatenate(
        [
            np.stack([np.zeros_like(lens), lens], 1),
            np.stack([lens, np.roll(lens, -1, 0)], 1),
            [[[0.0, 0.0, 0.0], [0.0, scene.ground, 0.0]]],
        ]
    )
    looked = [("ground", _looked(ground)), ("camera", _looked(camera))]
    found = None if scene.found is None else _looked(scene.found.space)
    looked += _people(skeleton, _looked(scene.people.space), found)
    if scene.found is not None:
        root = skeleton.root
        ends = [(scene.people.space[a, root], scene.found.space[b, root]) for a, b in scene.pairs]
        looked.append(("error", _looked(np.array(ends).reshape(-1, 2, 3))))
    every = np.concatenate([ends.reshape(-1, 2) for _, ends in looked])
    low, high = every.min(0) - 0.15, every.max(0) + 0.15
    title = f"scene {number}: camera, people and ground, squares of 1 m"
    if said:
        _, people, _, matched, root_mm, depth_mm, _ = said
        found_of = [] if given else [f"{matched} of {people} found"]
        off = [f"roots {root_mm} mm off, depth {depth_mm}"] if root_mm else []
        title = f"scene {number}: {', '.join(found_of + off)}"
    return Panel(title, looked, (float(low[0]), float(high[0]), float(low[1]), float(high[1])))


def _people(skeleton: Skeleton, true: Array, found: Array | None) -> list[tuple[str, Array]]:
    """Return the bones of people [P, J, 2]: the true ones by side, or below those that were found."""
    below = [] if found is None else [("truth", _bones(skeleton, true))]
    above = true if found is None else found
    return below + [(side, _bones(skeleton, above, side)) for side in ("", "right", "left")]


def _bones(skeleton: Skeleton, joints: Array, side: str | None = None) -> Array:
    """Return the ends [K, 2, 2] of all bones of people, or of those of a side."""
    sides = zip(skeleton.bones, skeleton.bone_sides, strict=True)
    bones = [bone for bone, of in sides if side is None or of == side]
    return joints[:, bones].reshape(-1, 2, 2)


def _ground(points: Array, height: float) -> Array:
    """Return the ends [K, 2, 3] of lines a metre apart on the ground, below all points [P, 3]."""
    low, high = np.floor(points.min(0)) - 1, np.ceil(points.max(0)) + 1
    right, ahead = (np.arange(low[axis], high[axis] + 0.5) for axis in (0, 2))
    across = [[(low[0], height, z), (high[0], height, z)] for z in ahead]
    along = [[(x, height, low[2]), (x, height, high[2])] for x in right]
    return np.array(across + along)


def _looked(space: Array) -> Array:
    """Return where points [..., 3] right, up and ahead of the camera are in the panel, [..., 2], metres, y up."""
    right, up, ahead = np.moveaxis(space, -1, 0)
    x = right * np.cos(_AROUND) + ahead * np.sin(_AROUND)
    away = ahead * np.cos(_AROUND) - right * np.sin(_AROUND)
    return np.stack([x, up * np.cos(_ABOVE) + away * np.sin(_ABOVE)], -1)
