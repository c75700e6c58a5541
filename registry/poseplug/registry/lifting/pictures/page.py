"""One page to look at what was lifted: what was seen beside a view in 3D, over time. It needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_text
from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.pictures.choice import USUAL_FPS, stretch
from poseplug.registry.lifting.spool import Array
from poseplug.registry.reports.page import filled
from poseplug.registry.reports.statistics import require

_PAGE = Path(__file__).parent / "web" / "lifted"
# More would make pages that browsers are slow with.
_FRAMES, _TRACKS = 300, 8


def check_page(path: Path) -> None:
    """Raise PoseplugError unless the page can be made: its suffix is known, jinja2 and plotly are there."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise PoseplugError(f"--page '{path}': the suffix must be .html.")
    require("jinja2", "plotly")


def write_page(path: Path, lifted: Lifted, name: str) -> list[Path]:
    """Write the page, of at most 300 frames and 8 tracks; raise PoseplugError if it cannot be written."""
    every = np.unique(lifted.frame[lifted.good])
    frames = stretch(lifted, _FRAMES)
    tracks, counts = np.unique(lifted.track[lifted.good], return_counts=True)
    longest = np.sort(tracks[np.argsort(-counts, kind="stable")[:_TRACKS]])
    left_out = [f"{len(frames)} of {len(every)} frames are shown"] * (len(frames) < len(every))
    left_out += [f"{len(longest)} of {len(tracks)} tracks are shown, the longest"] * (len(longest) < len(tracks))
    page = filled(
        _PAGE,
        _data(lifted, frames, longest),
        name=name or "Lifted poses",
        notes=[*lifted.notes, _of_roots(lifted), *left_out],
        warnings=lifted.warnings,
    )
    write_text(path, page)
    return [path]


def _of_roots(lifted: Lifted) -> str:
    if lifted.root_estimated:
        return "where people stand is an estimate, as good as the focal length and the size of the lifted bodies"
    return "where people stand is what the run's root estimator says"


def _data(lifted: Lifted, frames: Array, tracks: Array) -> dict[str, Any]:
    shown = np.flatnonzero(lifted.good & np.isin(lifted.frame, frames) & np.isin(lifted.track, tracks))
    poses = lifted.rows(shown)
    place = np.searchsorted(frames, poses.frame)
    root = np.nan_to_num(poses.root)
    people = []
    for track in tracks.tolist():
        own = np.flatnonzero(poses.track == track)
        people.append(
            {
                "track": track,
                "at": place[own].tolist(),
                "seen": np.round(poses.joints_2d[own].astype(np.float64), 1).tolist(),
                "known": (poses.confidence[own] > 0).astype(int).tolist(),
                # Millimetres are enough for the eye.
                "pose": np.round(poses.joints_3d[own].astype(np.float64), 3).tolist(),
                "root": np.round(root[own].astype(np.float64), 3).tolist(),
            }
        )
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    return {
        "bones": lifted.skeleton.bones,
        "sides": lifted.skeleton.bone_sides,
        "frames": frames.tolist(),
        "milliseconds": 1000 * step / (lifted.fps or USUAL_FPS),
        "people": [person for person in people if person["at"]],
    }
