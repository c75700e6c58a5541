"""The picture of a data set, drawn by matplotlib."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from poseplug.core.storage.files import write_whole
from poseplug.registry.datasets.direction_picture import draw_directions, height_of
from poseplug.registry.datasets.scenes.picture import draw_scenes
from poseplug.registry.datasets.scenes.picture import height_of as scenes_height
from poseplug.registry.datasets.shown import Distribution, PoseGrid, Shown
from poseplug.registry.reports.colours import SIDE_COLOURS
from poseplug.registry.reports.statistics import missing

_ROW = 2.6


def write_picture(shown: Shown, path: Path) -> None:
    """Write a picture; the suffix of its name decides the format.

    Raises:
        PoseplugError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise missing("matplotlib") from None
    parts: list[tuple[float, Any]] = []
    grid, width = shown.poses, 10.8 if shown.directions is None and shown.scenes is None else 8.0
    if grid is not None:
        width = 1.35 * grid.columns
        parts.append((1.85 * grid.rows, partial(_poses, grid=grid)))
    if len(parts) < _count(shown):
        width = max(width, 8.0)
    if shown.cameras is not None or shown.distributions:
        parts.append((_ROW + 0.3, partial(_numbers, shown=shown)))
    if shown.bones is not None:
        parts.append((0.6 + 0.2 * len(shown.bones[0]), partial(_bones, shown=shown)))
    if shown.directions is not None:
        parts.append((height_of(shown.directions), partial(draw_directions, shown=shown.directions)))
    if shown.scenes is not None:
        width = max(width, 8.0)
        parts.append((scenes_height(shown.scenes), partial(draw_scenes, shown=shown.scenes)))
    engine = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.03)
    figure = Figure(figsize=(width, sum(height for height, _ in parts)), layout=engine)
    places = figure.subfigures(len(parts), 1, height_ratios=[height for height, _ in parts], squeeze=False)
    for place, (_, draw) in zip(places[:, 0], parts, strict=True):
        draw(place)
    write_whole(path, partial(figure.savefig, format=path.suffix[1:].lower(), dpi=130))


def _count(shown: Shown) -> int:
    parts = (shown.poses, shown.distributions or None, shown.bones, shown.directions, shown.scenes)
    return sum(part is not None and part != () for part in parts)


def _poses(place: Any, grid: PoseGrid) -> None:
    axes = place.subplots(grid.rows, grid.columns, squeeze=False)
    for number, axis in enumerate(axes.flat):
        axis.axis("off")
        if number < len(grid.joints):
            _pose(axis, grid, number)


def _pose(axis: Any, grid: PoseGrid, number: int) -> None:
    joints, depth = grid.joints[number], grid.depth[number]
    # Far bones first, so that near ones cover them.
    bones = zip(grid.skeleton.bones, grid.skeleton.bone_sides, strict=True)
    for (parent, child), side in sorted(bones, key=lambda bone: -float(depth[list(bone[0])].sum())):
        ends = joints[[parent, child]]
        axis.plot(ends[:, 0], ends[:, 1], color=SIDE_COLOURS[side], linewidth=2.2, solid_capstyle="round")
    if "Head" in grid.skeleton.joints:
        x, y = joints[grid.skeleton.index("Head")]
        axis.plot([x], [y], "o", color=SIDE_COLOURS[""], markersize=5)
    axis.set(xlim=(-grid.half[0], grid.half[0]), ylim=(grid.half[1], -grid.half[1]), aspect="equal")
    axis.set_title(grid.titles[number], fontsize=7, pad=2)


def _numbers(place: Any, shown: Shown) -> None:
    first = shown.cameras is not None
    axes = place.subplots(1, first + len(shown.distributions), squeeze=False)[0]
    if shown.cameras is not None and shown.people is not None:
        axes[0].scatter(shown.people[:, 0], -shown.people[:, 2], s=2, color=SIDE_COLOURS["left"], alpha=0.3)
        axes[0].scatter(shown.cameras[:, 0], -shown.cameras[:, 2], s=8, color=SIDE_COLOURS["right"])
        axes[0].set(aspect="equal", xlabel="x, m", ylabel="-z, m")
        axes[0].set_title("cameras (red) and people from above", fontsize=8)
    for axis, distribution in zip(axes[first:], shown.distributions, strict=True):
        _histogram(axis, distribution)
    for axis in axes:
        axis.tick_params(labelsize=7)
        axis.xaxis.label.set_size(8)
        axis.yaxis.label.set_size(8)
        axis.spines[["top", "right"]].set_visible(False)


def _histogram(axis: Any, distribution: Distribution) -> None:
    axis.hist(distribution.values, bins=40, color=SIDE_COLOURS["left"])
    axis.set(yticks=[])
    axis.spines["left"].set_visible(False)
    axis.set_title(distribution.title, fontsize=8)


def _bones(place: Any, shown: Shown) -> None:
    axis = place.subplots()
    assert shown.bones is not None, "asked for where there are some"
    names, shares = shown.bones
    axis.imshow(shares, aspect="auto", extent=(0, 180, len(names), 0), cmap="Blues", interpolation="nearest")
    axis.set_yticks([row + 0.5 for row in range(len(names))], names, fontsize=7)
    axis.set_xticks(range(0, 181, 30))
    axis.tick_params(labelsize=7)
    axis.set_xlabel("angle of bones to the vertical, degrees: 0 hangs down, 180 points up", fontsize=8)
