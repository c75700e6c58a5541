"""Which frames are shown, where there are more than anyone wants to look at."""

from __future__ import annotations

import numpy as np

from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.spool import Array

# People that are drawn in one frame of a picture.
CROWD = 12


def evenly(frames: Array, most: int) -> Array:
    """Return at most so many of these frames, evenly spread."""
    chosen: Array = frames[np.unique(np.linspace(0, len(frames) - 1, min(len(frames), most)).round().astype(int))]
    return chosen


def stretch(lifted: Lifted, most: int) -> Array:
    """Return the frames of an animation: all with a pose, or of more than so many evenly spread ones."""
    return evenly(np.unique(lifted.frame[lifted.good]), most)


def people_in(lifted: Lifted, frame: int) -> Array:
    """Return the rows of the people in a frame who have a pose."""
    return np.flatnonzero((lifted.frame == frame) & lifted.good)[:CROWD]
