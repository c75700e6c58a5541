"""Key points and poses as arrays, for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseplug.core.geometry.own_layout import find_layout
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.lifting.arrays import Arrays
from poseplug.registry.lifting.lift import lifting
from poseplug.registry.lifting.lifted import LiftedPoses
from poseplug.registry.lifting.settings import LiftSettings, Said
from poseplug.registry.runs.saved_model import stored_skeleton


class Options(Said, total=False):
    """What key points in memory are; and how they are lifted, by the names of ``LiftSettings``.

    Attributes:
        skeleton: the layout of the K joints, a name or a TOML file; by default the run's.
        frame: [N] numbers of the frames; by default 0, 1, 2, ...
        track: [N] numbers of people; by default one person, or where a frame has several, linked from frame to frame.
    """

    skeleton: str
    frame: Any
    track: Any


def lift_arrays(run: Path, joints: Any, confidence: Any, options: Options) -> LiftedPoses:
    """Lift key points that are in memory; see ``FinishedRun.lift``."""
    said: dict[str, Any] = dict(options)
    skeleton = said.pop("skeleton", "")
    told = {name: said.pop(name, None) for name in ("frame", "track")}
    own = find_layout(skeleton) if skeleton else None
    layout = own.skeleton if own else stored_skeleton(RunDirectory(run))
    settings = LiftSettings(**{**said, "made": {**(own.made if own else {}), **said.get("made", {})}})
    file = Arrays.of(joints, confidence, layout, size=settings.size, **told)
    with lifting(str(run), file, settings, load_catalogue()) as lifted:
        return lifted.rows(slice(0, len(lifted)))
