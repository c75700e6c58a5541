"""VirtualPose (Su et al., ECCV 2022): virtual scenes, abstract geometry, networks of roots and poses."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1
_PAPER = (
    "VirtualPose (Su et al., VirtualPose: learning generalizable 3D human pose models from virtual data, ECCV 2022)"
)


@hookimpl
def register_inputs(register: Register) -> None:
    """Register maps and backbone."""
    register(
        "maps",
        "poseplug_virtualpose.agr.rendered:RenderedMaps",
        summary="heat maps of key points and boxes of people, drawn, in training with noise",
        paper=f"{_PAPER}, Sec. 4.1",
    )
    register(
        "backbone",
        "poseplug_virtualpose.backbone.backbone:Backbone",
        summary="heat maps of key points and boxes of people, found in images by a trained network",
        paper=f"{_PAPER}, Sec. 4.1; SimpleBaseline: Xiao et al., ECCV 2018",
    )
