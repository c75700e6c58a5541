"""EvoSkeleton (Li, Ke, Pratama, Tai, Tang, Cheng, CVPR 2020): evolved poses, joint limits, a cascade of lifters."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

POSEPLUG_API = 1
_PAPER = "EvoSkeleton (Li et al., Cascaded deep monocular 3D human pose estimation with evolutionary data, CVPR 2020)"


@hookimpl
def register_lifters(register: Register) -> None:
    """Register tagnet and cascade."""
    register(
        "tagnet",
        "poseplug_evoskeleton.tagnet:TagNet",
        summary="residual perceptron on standardised key points, one learner of a cascade",
        paper=f"{_PAPER}, Sec. 4.2",
    )
    register(
        "cascade",
        "poseplug_evoskeleton.cascade:Cascade",
        summary="the sum of equal lifters of any kind, each trained on what those before it leave",
        paper=f"{_PAPER}, eq. 7 and Algorithm 3",
    )


@hookimpl
def register_objectives(register: Register) -> None:
    """Register standardised."""
    register(
        "standardised",
        "poseplug_evoskeleton.standardised:Standardised",
        summary="squared error of joints in deviations from their means over the training set",
        paper=f"{_PAPER}, its released code",
    )


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register evoskeleton-cascade."""
    register(
        "evoskeleton-cascade",
        Path(__file__).parent / "recipes" / "evoskeleton-cascade.toml",
        summary="EvoSkeleton's cascade of lifters without evolved poses, sized for a demo",
    )
