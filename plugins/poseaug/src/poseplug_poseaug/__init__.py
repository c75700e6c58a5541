"""PoseAug: learned augmentation with discriminators and error feedback (Gong, Zhang, Feng, CVPR 2021)."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

POSEPLUG_API = 1
_PAPER = "PoseAug (Gong, Zhang, Feng, CVPR 2021, arXiv 2105.02465)"


@hookimpl
def register_augmentors(register: Register) -> None:
    """Register poseaug and swap_lengths."""
    register(
        "poseaug",
        "poseplug_poseaug.augmentor:PoseAug",
        summary="learns to change bone angles, bone lengths, view point and position of poses",
        paper=f"{_PAPER}, eqs. 4-6 and 9-11",
    )
    register(
        "swap_lengths",
        "poseplug_poseaug.swap_lengths:SwapLengths",
        summary="gives poses the bone lengths of other people",
        paper=f"{_PAPER}, its released code",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    """Register kcs_part, kcs_full and pose2d."""
    register(
        "kcs_part",
        "poseplug_poseaug.kcs:PartKCS",
        summary="judges the bone angles within each part of the body",
        paper=f"{_PAPER}, eqs. 7 and 12",
    )
    register(
        "kcs_full",
        "poseplug_poseaug.kcs:FullKCS",
        summary="judges the bone angles of the whole body at once",
        paper=f"{_PAPER}, Table 7; the kinematic chain space is that of RepNet (Wandt, Rosenhahn, CVPR 2019)",
    )
    register(
        "pose2d",
        "poseplug_poseaug.pose2d:Pose2D",
        summary="judges where and how a person appears in the image",
        paper=f"{_PAPER}, eq. 12",
    )


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register poseaug and poseaug-paper."""
    folder = Path(__file__).parent / "recipes"
    register("poseaug", folder / "poseaug.toml", summary="PoseAug as its released code trains it, sized for a demo")
    register("poseaug-paper", folder / "poseaug-paper.toml", summary="PoseAug with the equations as printed")
