"""VirtualPose (Su et al., ECCV 2022): virtual scenes, abstract geometry, networks of roots and poses."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1

_PAPER = "VirtualPose (Su et al., ECCV 2022)"


@hookimpl
def register_sources(register: Register) -> None:
    """Register virtual_scenes."""
    register(
        "virtual_scenes",
        "poseplug_virtualpose.scenes.virtual_scenes:VirtualScenes",
        summary="people of any source side by side in scenes, before cameras drawn at random",
        paper=_PAPER,
    )


@hookimpl
def register_augmentors(register: Register) -> None:
    """Register placed."""
    register(
        "placed",
        "poseplug_virtualpose.scenes.placed:Placed",
        summary="put people side by side into scenes, before one new camera each",
        paper=_PAPER,
    )


@hookimpl
def register_inputs(register: Register) -> None:
    """Register maps."""
    register(
        "maps",
        "poseplug_virtualpose.agr.rendered:RenderedMaps",
        summary="heat maps of key points and boxes of people, drawn, in training with noise",
        paper=f"{_PAPER}, Sec. 4.1",
    )


@hookimpl
def register_roots(register: Register) -> None:
    """Register tbs, tif and bdr."""
    register(
        "tbs",
        "poseplug_virtualpose.roots.tbs:TBS",
        summary="depth from the size of people's boxes, corrected by a network",
        paper=f"{_PAPER}, Sec. 3.1; RootNet (Moon et al., ICCV 2019)",
    )
    register(
        "tif",
        "poseplug_virtualpose.roots.tif:TIF",
        summary="depth from features of the whole scene, pooled at people's joints",
        paper=f"{_PAPER}, Sec. 3.1; HDNet (Lin and Lee, ECCV 2020)",
    )
