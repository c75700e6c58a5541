"""VirtualPose (Su et al., ECCV 2022): virtual scenes, abstract geometry, networks of roots and poses."""

from __future__ import annotations

POSEPLUG_API = 1
