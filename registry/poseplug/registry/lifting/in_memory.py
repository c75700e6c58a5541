"""Key points and poses as arrays, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poseplug.core.geometry.own_layout import find_layout
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.lifting.arrays import Arrays
from poseplug.registry.lifting.lift import lifting
from poseplug.registry.lifting.lifted import LiftedPoses
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.runs.saved_model import stored_skeleton


def lift_arrays(
    run: Path, joints: Any, confidence: Any, skeleton: str, told: Mapping[str, Any], settings: Mapping[str, Any]
) -> LiftedPoses:
    """Lift key points that are in memory; see ``FinishedRun.lift``."""
    own = find_layout(skeleton) if skeleton else None
    layout = own.skeleton if own else stored_skeleton(RunDirectory(run))
    made = {**(own.made if own else {}), **settings.get("made", {})}
    chosen = LiftSettings(**{**settings, "made": made, "size": told["size"]})
    with lifting(str(run), Arrays.of(joints, confidence, layout, **told), chosen, load_catalogue()) as lifted:
        return lifted.rows(slice(0, len(lifted)))
