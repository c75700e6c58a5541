"""EvoSkeleton (Li, Ke, Pratama, Tai, Tang, Cheng, CVPR 2020): evolved poses, joint limits, a cascade of lifters."""

from __future__ import annotations

POSEPLUG_API = 1
_PAPER = "EvoSkeleton (Li et al., Cascaded deep monocular 3D human pose estimation with evolutionary data, CVPR 2020)"
