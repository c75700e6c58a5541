"""Which frames and people are looked at, where there are more than it takes."""

from __future__ import annotations

import numpy as np

from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.spool import Array

# People that are drawn in one frame of a picture.
CROWD = 12
# Frames a second of animations, where nobody says.
USUAL_FPS = 25.0


def evenly(items: Array, most: int) -> Array:
    """Return at most so many of these, evenly spread."""
    chosen: Array = items[np.unique(np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int))]
    return chosen


def stretch(lifted: Lifted, most: int) -> Array:
    """Return the frames of an animation: all with a pose, or of more than so many evenly spread ones."""
    return evenly(np.unique(lifted.frame[lifted.good]), most)


def people_in(lifted: Lifted, frame: int) -> Array:
    """Return the rows of the people in a frame who have a pose."""
    return np.flatnonzero((lifted.frame == frame) & lifted.good)[:CROWD]
