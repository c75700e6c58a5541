"""Directions of limb bones, drawn by matplotlib: a row for each kind of bone, a column for each source."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np

from poseplug.registry.datasets.directions import CELL, Directions, Held, Kind
from poseplug.registry.reports.colours import SIDE_COLOURS

_OUTLINE = SIDE_COLOURS["right"]
_FORBIDDEN = "#ececec"
_CAPTION = (
    "Azimuth 0 points sideways (outwards), 90 down, 180 inwards, -90 up; elevation 90 forwards, -90 backwards.\n"
    "Left limbs are mirrored. Forearm and shin are seen in axes that turn with upper arm and thigh: a straight limb\n"
    "is at +, and allowed is what some allowed position of upper arm or thigh allows."
)


def height_of(shown: Directions) -> float:
    """Return the height that they take up in a picture, inches."""
    return 2.0 * _rows(shown) + 1.6


def _rows(shown: Directions) -> int:
    return len(shown.kinds) if len(shown.sources) > 1 else -(-len(shown.kinds) // 2)


def draw_directions(place: Any, shown: Directions) -> None:
    """Draw them into a figure or a part of one."""
    from matplotlib.colors import LogNorm

    axes = place.subplots(_rows(shown), 2, squeeze=False, sharex=True, sharey=True)
    panels = [(kind, source) for kind in shown.kinds for source in range(len(shown.sources))]
    least = min(1 / held.bones for kind in shown.kinds for held in kind.held if held)
    most = max(float(held.share.max()) for kind in shown.kinds for held in kind.held if held)
    norm, colours = LogNorm(max(least, 1e-5) * 100, max(most, 2e-5) * 100), None
    for axis, (kind, source) in zip(axes.flat, panels, strict=False):
        drawn = _panel(axis, kind, kind.held[source], norm)
        colours = colours or drawn
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for column in range(2):
        shown_last = [axis for axis in axes[:, column] if axis.get_visible()][-1]
        shown_last.tick_params(labelbottom=True)
        axes[-1, column].set_xlabel("azimuth, degrees", fontsize=9)
    for axis in axes[:, 0]:
        axis.set_ylabel("elevation, degrees", fontsize=9)
    width = 80 if len(shown.sources) == 1 else 42
    names = [fill(f"{said}: {n:,} poses", width) for said, n in zip(shown.sources, shown.poses, strict=True)]
    if len(names) == 1:
        place.suptitle(names[0], fontsize=11, weight="bold")
    else:
        for axis, name in zip(axes[0], names, strict=True):
            axis.annotate(name, (0.5, 1.2), xycoords="axes fraction", ha="center", fontsize=10.5, weight="bold")
    bar = place.colorbar(colours, ax=axes, location="bottom", shrink=0.6, aspect=45, pad=0.012, format="%g")
    bar.set_label(f"share of bones in a cell of {CELL} degrees, %; red line: what joint limits allow", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    place.supxlabel(_CAPTION, fontsize=8)


def _panel(axis: Any, kind: Kind, held: Held | None, norm: Any) -> Any:
    extent = (-180, 180, -90, 90)
    axis.set(xticks=range(-180, 181, 90), yticks=range(-90, 91, 45), xlim=extent[:2], ylim=extent[2:], aspect="equal")
    axis.tick_params(labelsize=8)
    axis.set_facecolor(_FORBIDDEN)
    white = np.ones((*kind.allowed.shape, 4)) * kind.allowed[..., None]
    axis.imshow(white, extent=extent, origin="lower", interpolation="nearest")
    drawn = None
    if held is not None:
        shares = np.ma.masked_equal(held.share * 100, 0)
        drawn = axis.imshow(shares, extent=extent, origin="lower", interpolation="nearest", norm=norm, cmap="viridis_r")
    axis.plot(*kind.outline, color=_OUTLINE, linewidth=1.3, solid_capstyle="projecting")
    if kind.straight is not None:
        axis.plot(*([x] for x in kind.straight), "+", color="black", markersize=8, markeredgewidth=1.4)
    said = "no such bone" if held is None else f"{held.covered:.0%} covered, {held.inside:.1%} within"
    axis.set_title(f"{kind.name}: {said}", fontsize=9.5, loc="left", pad=3)
    return drawn
