"""PoseGU: a forward-kinematics pose generator and counterfactual risk minimisation (Guan et al., arXiv 2207.03618)."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

POSEPLUG_API = 1
_PAPER = "PoseGU (Guan et al., arXiv 2207.03618)"


@hookimpl
def register_sources(register: Register) -> None:
    """Register fk_generator."""
    register(
        "fk_generator",
        "poseplug_posegu.fk_generator:FKGenerator",
        summary="generates poses by forward kinematics within angle ranges of a few seed poses",
        paper=f"{_PAPER}, eqs. 3-7",
    )


@hookimpl
def register_reweighters(register: Register) -> None:
    """Register cips and ips."""
    register(
        "cips",
        "poseplug_posegu.propensity:ClippedPropensity",
        summary="clipped inverse propensity weights from per-joint 2D histograms",
        paper=f"{_PAPER}, eqs. 8-10",
    )
    register(
        "ips",
        "poseplug_posegu.propensity:Propensity",
        summary="inverse propensity weights without the clip",
        paper=f"{_PAPER}, eqs. 8-9",
    )


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register posegu."""
    register("posegu", Path(__file__).parent / "recipes" / "posegu.toml", summary="PoseGU as the paper describes it")
