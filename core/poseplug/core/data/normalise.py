"""2D input normalisations. A lifter declares one; the engine applies it, here and nowhere else."""

from __future__ import annotations

import enum

import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch


class Normalisation(enum.StrEnum):
    """How pixels become a lifter's input.

    SCREEN: x and y over the longer image side, centred: x in [-1, 1] for landscape images (PoseAug, VideoPose3D).
    MAX_NORM: root at the origin, divided by the largest absolute coordinate of the pose (2D representation paper).
    STANDARDISED: zero mean and unit variance per coordinate over the training set (EvoSkeleton).
    POSE_STANDARDISED: mean joint at the origin, divided by the spread of the pose's joints (EvoSkeleton, in the wild).
    """

    SCREEN = "screen"
    MAX_NORM = "max_norm"
    STANDARDISED = "standardised"
    POSE_STANDARDISED = "pose_standardised"


# Pixels; joints that are nearer to each other on average are in one place, and their spread has no gradient.
_SMALLEST_SPREAD = 1e-3


def screen_coordinates(pixels: Tensor, size: Tensor) -> Tensor:
    """Return pixels [N, J, 2] in screen coordinates for images of size [N, 2]: 2 u / m - w / m, with m = max(w, h)."""
    longest = size.amax(-1, keepdim=True)
    return (2 * pixels - size[:, None]) / longest[:, None]


def extents(pixels: Tensor, root: int) -> Tensor:
    """Return the largest absolute coordinate [N] of poses [N, J, 2] about their root; never zero."""
    largest = (pixels - pixels[:, root : root + 1]).abs().amax((-2, -1))
    return largest.clamp_min(torch.finfo(pixels.dtype).tiny)


def max_normalised(pixels: Tensor, root: int, extent: Tensor | None = None) -> Tensor:
    """Return root-centred pixels [N, J, 2] over the extent [N] of each pose, by default its largest coordinate."""
    if extent is None:
        extent = extents(pixels, root)
    return (pixels - pixels[:, root : root + 1]) / extent[:, None, None]


def pose_standardised(pixels: Tensor) -> Tensor:
    """Return pixels [N, J, 2] about each pose's mean joint, over the mean of the standard deviations of x and of y."""
    centred = pixels - pixels.mean(1, keepdim=True)
    spread = centred.square().mean(1).clamp_min(_SMALLEST_SPREAD**2).sqrt().mean(-1)
    return centred / spread[:, None, None]


class Normaliser(nn.Module):
    """Applies a lifter's normalisation; holds the statistics that STANDARDISED needs.

    Args:
        kind: which normalisation; None for no key points at all.
        num_joints: J, the size of the statistics.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, kind: Normalisation | None, num_joints: int) -> None:
        super().__init__()
        self.kind = kind
        if kind is Normalisation.STANDARDISED:
            self.register_buffer("mean", torch.zeros(num_joints, 2))
            self.register_buffer("std", torch.ones(num_joints, 2))

    @property
    def needs_fit(self) -> bool:
        """Whether there are statistics to take."""
        return self.kind is Normalisation.STANDARDISED

    def fit(self, batch: PoseBatch) -> None:
        """Take the statistics from a sample of the training set."""
        if self.needs_fit:
            self.mean.copy_(batch.joints_2d.mean(0))
            self.std.copy_(batch.joints_2d.std(0).clamp_min(1e-6))

    def forward(self, batch: PoseBatch) -> Tensor | None:
        """Return the lifter's input [N, J, 2]; None for a lifter that needs none."""
        if self.kind is None:
            return None
        if self.kind is Normalisation.SCREEN:
            return screen_coordinates(batch.joints_2d, batch.camera.size)
        if self.kind is Normalisation.MAX_NORM:
            return max_normalised(batch.joints_2d, batch.skeleton.root, batch.extent)
        if self.kind is Normalisation.POSE_STANDARDISED:
            return pose_standardised(batch.joints_2d)
        return (batch.joints_2d - self.mean) / self.std
