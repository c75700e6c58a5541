"""2D pose representations (Hardy, Dasmahapatra, Kim, arXiv 2209.00618): lifters by parts, trained from 2D alone."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

POSEPLUG_API = 1
_PAPER = "Optimising 2D Pose Representation (Hardy, Dasmahapatra, Kim, arXiv 2209.00618)"


@hookimpl
def register_lifters(register: Register) -> None:
    """Register full2d and the four that see the body in parts."""
    for name, target, summary in (
        ("full2d", "Full2D", "depth of all joints from all joints at once"),
        ("splitcombine_legtorso", "SplitCombineLegTorso", "features of legs and torso apart, then depth of all joints"),
        ("independent_legtorso", "IndependentLegTorso", "two lifters that know nothing of each other: legs and torso"),
        ("splitcombine_limbs", "SplitCombineLimbs", "features of four limbs and torso apart, then depth of all joints"),
        ("independent_limbs", "IndependentLimbs", "five lifters that know nothing of each other: limbs and torso"),
    ):
        register(name, f"poseplug_pose2drep.lifters:{target}", summary=summary, paper=f"{_PAPER}, Sec. 3.1")


@hookimpl
def register_objectives(register: Register) -> None:
    """Register reprojection."""
    register(
        "reprojection",
        "poseplug_pose2drep.reprojection:Reprojection",
        summary="learns depth from 2D poses alone: turned poses must look real, and turn back",
        paper=f"{_PAPER}, eqs. 2-7",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    """Register pose2d_residual."""
    register(
        "pose2d_residual",
        "poseplug_pose2drep.discriminator:Pose2DResidual",
        summary="judges the shape of a 2D pose, wherever in the image and however large it is",
        paper=f"{_PAPER}, Sec. 3.5",
    )


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register one recipe for each representation."""
    folder = Path(__file__).parent / "recipes"
    for name in (
        "full2d",
        "splitcombine-legtorso",
        "independent-legtorso",
        "splitcombine-limbs",
        "independent-limbs",
    ):
        register(name, folder / f"{name}.toml", summary=f"{name.replace('-', '_')} trained from 2D alone, for a demo")
