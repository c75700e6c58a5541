"""EvoSkeleton (Li, Ke, Pratama, Tai, Tang, Cheng, CVPR 2020): evolved poses, joint limits, a cascade of lifters."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1
_PAPER = "EvoSkeleton (Li et al., Cascaded deep monocular 3D human pose estimation with evolutionary data, CVPR 2020)"


@hookimpl
def register_detectors(register: Register) -> None:
    """Register hrnet."""
    register(
        "hrnet",
        "poseplug_evoskeleton.hrnet:HRNet",
        summary="HRNet with maps of full resolution and soft-argmax",
        paper=f"{_PAPER}, Sec. 4.1; HRNet: Sun et al., CVPR 2019",
    )
