"""The papers' four single-frame lifters, and three plain augmentors to hold every method against."""

from __future__ import annotations

from pathlib import Path

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register, RegisterModel

POSEPLUG_API = 1


@hookimpl
def register_lifters(register: Register) -> None:
    """Register mlp, videopose, semgcn and stgcn."""
    register(
        "mlp",
        "poseplug_baselines.mlp:MLP",
        summary="residual multi-layer perceptron",
        paper="Martinez et al., A simple yet effective baseline for 3D human pose estimation, ICCV 2017",
    )
    register(
        "videopose",
        "poseplug_baselines.videopose:VideoPose",
        summary="VideoPose3D for a single frame",
        paper="Pavllo et al., 3D human pose estimation in video, CVPR 2019",
    )
    register(
        "semgcn",
        "poseplug_baselines.semgcn:SemGCN",
        summary="semantic graph convolutions over the skeleton",
        paper="Zhao et al., Semantic graph convolutional networks for 3D human pose regression, CVPR 2019",
    )
    register(
        "stgcn",
        "poseplug_baselines.stgcn:STGCN",
        summary="graph convolutions with local-to-global pooling, for a single frame",
        paper="Cai et al., Exploiting spatial-temporal relationships for 3D pose estimation, ICCV 2019",
    )


@hookimpl
def register_augmentors(register: Register) -> None:
    """Register rigid, jitter and detector_noise."""
    control = "none: a control to hold learned and generated methods against"
    register("rigid", "poseplug_baselines.rigid:Rigid", summary="see poses from random cameras", paper=control)
    register(
        "jitter",
        "poseplug_baselines.jitter:Jitter",
        summary="perturb bone directions and lengths at random",
        paper=control,
    )
    register(
        "detector_noise",
        "poseplug_baselines.detector_noise:DetectorNoise",
        summary="key points as detectors find them: noise, missing joints",
        paper=control,
    )


@hookimpl
def register_models(register: RegisterModel) -> None:
    """Register starter."""
    register(
        "starter",
        Path(__file__).parent / "models" / "starter",
        summary="a small mlp to start lifting with, trained on synthetic poses alone",
    )
