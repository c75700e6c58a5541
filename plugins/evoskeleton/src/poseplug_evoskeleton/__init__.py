"""EvoSkeleton (Li, Ke, Pratama, Tai, Tang, Cheng, CVPR 2020): evolved poses, joint limits, a cascade of lifters."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1
_PAPER = "EvoSkeleton (Li et al., Cascaded deep monocular 3D human pose estimation with evolutionary data, CVPR 2020)"


@hookimpl
def register_sources(register: Register) -> None:
    """Register evolved."""
    register(
        "evolved",
        "poseplug_evoskeleton.evolution.evolved:Evolved",
        summary="the reference's poses and their descendants: exchanged limbs, turned bones, other bodies",
        paper=f"{_PAPER}, Algorithm 1",
    )


@hookimpl
def register_augmentors(register: Register) -> None:
    """Register evolution."""
    register(
        "evolution",
        "poseplug_evoskeleton.evolution.online:Evolution",
        summary="poses get limbs of others and turn their bones, as far as bodies can",
        paper=f"{_PAPER}, Sec. 3.2, on line",
    )
