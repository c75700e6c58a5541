"""Pose sources: an embedded reference, BVH motion capture, COCO's annotations, and poseplug's own files."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1


@hookimpl
def register_sources(register: Register) -> None:
    """Register the sources."""
    register(
        "builtin",
        "poseplug_datasets.builtin:Builtin",
        summary="embedded procedural reference: 15 everyday actions, 7 subjects, 4 cameras (synthetic)",
        paper="none: synthetic poses of our own; body proportions after Drillis and Contini (1966)",
    )
    register(
        "bvh",
        "poseplug_datasets.bvh:BVH",
        summary="motion capture in BVH files",
        paper="none: reads a file format",
    )
    register(
        "posefile",
        "poseplug_datasets.posefile:PoseFileSource",
        summary="poses in poseplug's own files, which need not fit into memory (poseplug data convert)",
        paper="none: reads a file format",
    )
    register(
        "coco",
        "poseplug_datasets.coco:Coco",
        summary="2D key points of people in images, annotated in the format of COCO (no 3D)",
        paper="format of Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
    )
