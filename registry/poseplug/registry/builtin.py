"""The plugin that poseplug itself is: what the core brings along."""

from __future__ import annotations

from poseplug.registry.hookspecs import Register
from poseplug.registry.markers import hookimpl

POSEPLUG_API = 1


@hookimpl
def register_inputs(register: Register) -> None:
    """Register the inputs that follow from any batch."""
    for name, target, summary in (
        ("joints_2d", "Joints2D", "2D joints in pixels"),
        ("camera", "Cameras", "the camera of each person"),
        ("boxes", "PersonBoxes", "a box in the image around each person"),
    ):
        register(name, f"poseplug.core.models.inputs:{target}", summary=summary, paper="none: what a batch holds")


@hookimpl
def register_objectives(register: Register) -> None:
    """Register the objective that every lifter can be trained with."""
    register(
        "supervised",
        "poseplug.core.training.supervised:Supervised",
        summary="mean squared error against 3D labels; with a reweighter PoseGU's counterfactual risk",
        paper="PoseGU (Guan et al., arXiv 2207.03618), eqs. 11-13",
    )
