"""Pose sources: an embedded reference, motion capture, licensed data sets, COCO's annotations, poseplug's own files."""

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
    register(
        "h36m",
        "poseplug_datasets.h36m:H36M",
        summary="Human3.6M in the files of VideoPose3D, with its cameras",
        paper="Human3.6M: Large Scale Datasets and Predictive Methods (Ionescu et al., TPAMI 2014)",
    )
    register(
        "mpi_inf_3dhp",
        "poseplug_datasets.mpi_inf_3dhp:MPIINF3DHP",
        summary="MPI-INF-3DHP, training and test set, and PoseAug's file of the latter",
        paper="Monocular 3D Human Pose Estimation In The Wild (Mehta et al., 3DV 2017, arXiv 1611.09813)",
    )
    register(
        "pw3d",
        "poseplug_datasets.pw3d:PW3D",
        summary="3D Poses in the Wild (3DPW) with its moving cameras",
        paper="Recovering Accurate 3D Human Pose in the Wild (von Marcard et al., ECCV 2018)",
    )
    register(
        "panoptic",
        "poseplug_datasets.panoptic:Panoptic",
        summary="CMU's Panoptic Studio: everybody in a frame, under its HD cameras",
        paper="Panoptic Studio: A Massively Multiview System for Social Interaction Capture (Joo et al., TPAMI 2017)",
    )
    register(
        "mupots",
        "poseplug_datasets.mupots:MuPoTS",
        summary="MuPoTS-3D: everybody in a frame, in the frames of its cameras",
        paper="Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB (Mehta et al., 3DV 2018)",
    )
