"""EvoSkeleton (Li et al., CVPR 2020): evolved poses, joint limits, a cascade of lifters, a detector of joints."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

POSEPLUG_API = 1
_PAPER = "EvoSkeleton (Li et al., Cascaded deep monocular 3D human pose estimation with evolutionary data, CVPR 2020)"


@hookimpl
def register_sources(register: Register) -> None:
    """Register evolved and within_limits."""
    register(
        "evolved",
        "poseplug_evoskeleton.evolution.evolved:Evolved",
        summary="the reference's poses and their descendants: exchanged limbs, turned bones, other bodies",
        paper=f"{_PAPER}, Algorithm 1",
    )
    register(
        "within_limits",
        "poseplug_evoskeleton.within_limits:WithinLimits",
        summary="the poses of another source that are within joint limits",
        paper=f"{_PAPER}, Sec. 3.3",
    )


@hookimpl
def register_augmentors(register: Register) -> None:
    """Register evolution and joint_limits."""
    register(
        "evolution",
        "poseplug_evoskeleton.evolution.online:Evolution",
        summary="poses get limbs of others and turn their bones, as far as bodies can",
        paper=f"{_PAPER}, Sec. 3.2, on line",
    )
    register(
        "joint_limits",
        "poseplug_evoskeleton.limit_poses:LimitPoses",
        summary="replace poses that break joint limits, weigh them 0, or count them",
        paper=f"{_PAPER}, Sec. 3.3",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    """Register joint_limits."""
    register(
        "joint_limits",
        "poseplug_evoskeleton.limit_discriminator:LimitDiscriminator",
        summary="pull poses inside joint limits; nothing in it is trained",
        paper=f"none: a soft form of the validity function of {_PAPER}",
    )


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
def register_detectors(register: Register) -> None:
    """Register hrnet."""
    register(
        "hrnet",
        "poseplug_evoskeleton.hrnet:HRNet",
        summary="HRNet with maps of full resolution and soft-argmax",
        paper=f"{_PAPER}, Sec. 4.1; HRNet: Sun et al., CVPR 2019",
    )


@hookimpl
def register_objectives(register: Register) -> None:
    """Register standardised and anatomical."""
    register(
        "standardised",
        "poseplug_evoskeleton.standardised:Standardised",
        summary="squared error of joints in deviations from their means over the training set",
        paper=f"{_PAPER}, its released code",
    )
    register(
        "anatomical",
        "poseplug_evoskeleton.anatomical:Anatomical",
        summary="squared error, and predictions within joint limits, with or without labels",
        paper=f"none: a soft form of the validity function of {_PAPER}",
    )


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register evoskeleton, evoskeleton-weak and evoskeleton-cascade."""
    folder = Path(__file__).parent / "recipes"
    register(
        "evoskeleton",
        folder / "evoskeleton.toml",
        summary="EvoSkeleton: evolved poses and a cascade of three lifters, sized for a demo",
    )
    register(
        "evoskeleton-weak",
        folder / "evoskeleton-weak.toml",
        summary="EvoSkeleton on few captured poses: evolved ones and a cascade of two lifters",
    )
    register(
        "evoskeleton-cascade",
        folder / "evoskeleton-cascade.toml",
        summary="EvoSkeleton's cascade of lifters without evolved poses, sized for a demo",
    )
