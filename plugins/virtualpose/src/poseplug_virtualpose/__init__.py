"""VirtualPose (Su et al., ECCV 2022): virtual scenes, abstract geometry, networks of roots and poses."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterRecipe

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


@hookimpl
def register_roots(register: Register) -> None:
    """Register depthmap, ren, tbs, tif and bdr."""
    register(
        "depthmap",
        "poseplug_virtualpose.roots.depthmap:DepthMap",
        summary="roots by a dense map of depth, of people given or found",
        paper=f"{_PAPER}, Sec. 4.2 and Table 4 (a)",
    )
    register(
        "ren",
        "poseplug_virtualpose.roots.ren:REN",
        summary="people found by a network over voxels, where estimated depths put their heat",
        paper=f"{_PAPER}, Sec. 4.2",
    )
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
    register(
        "bdr",
        "poseplug_virtualpose.roots.bdr:BDR",
        summary="depth from a dense map over the scene, read at people's roots",
        paper=f"{_PAPER}, Sec. 3.1; as in SMAP (Zhen et al., ECCV 2020)",
    )


@hookimpl
def register_lifters(register: Register) -> None:
    """Register pen."""
    register(
        "pen",
        "poseplug_virtualpose.pen:PEN",
        summary="poses by a network over fine voxels about each root",
        paper=f"{_PAPER}, Sec. 4.3",
    )


@hookimpl
def register_objectives(register: Register) -> None:
    """Register l1."""
    register("l1", "poseplug_virtualpose.l1:L1", summary="absolute error of joints", paper=f"{_PAPER}, eq. 8")


@hookimpl
def register_recipes(register: RegisterRecipe) -> None:
    """Register virtualpose, virtualpose-small and virtualpose-backbone."""
    folder = Path(__file__).parent / "recipes"
    register(
        "virtualpose",
        folder / "virtualpose.toml",
        summary="VirtualPose's second stage at the size of the paper: virtual scenes, roots and poses by voxels",
    )
    register(
        "virtualpose-small",
        folder / "virtualpose-small.toml",
        summary="VirtualPose's second stage with smaller maps, volumes and networks, for a demo on two cores",
    )
    register(
        "virtualpose-backbone",
        folder / "virtualpose-backbone.toml",
        summary="VirtualPose's first stage: the backbone alone, on images with 2D key points",
    )
