"""Where cameras stand: four fixed ones like Human3.6M's, or anywhere in a range around the person.

The world has y up; the person stands near the origin. Figures are those of the lab-to-wild benchmark.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera, look_at
from poseplug.core.tensors import constant

FOCAL = 1145.0
IMAGE_SIZE = 1000.0
TARGET_HEIGHT = 0.9

# (azimuth, elevation) in radians and distance in metres of the four fixed cameras.
_H36M_LIKE = ((0.9, 0.12, 5.2), (2.3, 0.10, 5.5), (4.0, 0.13, 5.0), (5.4, 0.09, 5.4))


@attrs.frozen
class ViewRange:
    """Uniform ranges of camera placement: radians and metres, around a point TARGET_HEIGHT above the origin."""

    azimuth: tuple[float, float] = (0.0, 2 * math.pi)
    elevation: tuple[float, float] = (-0.17, 0.78)
    distance: tuple[float, float] = (2.8, 6.8)

    def sample(self, n: int, generator: torch.Generator) -> Camera:
        """Return n upright cameras drawn from the ranges."""

        def uniform(low: float, high: float) -> Tensor:
            return torch.rand(n, generator=generator, device=generator.device) * (high - low) + low

        return _placed(uniform(*self.azimuth), uniform(*self.elevation), uniform(*self.distance))


def fixed_cameras() -> Camera:
    """Return the four cameras that stand like Human3.6M's."""
    return _placed(*torch.tensor(_H36M_LIKE).unbind(-1))


def _placed(azimuth: Tensor, elevation: Tensor, distance: Tensor) -> Camera:
    target = constant((0.0, TARGET_HEIGHT, 0.0), azimuth.device)
    rotation, position = look_at(azimuth, elevation, distance, target)
    half, size = (IMAGE_SIZE / 2, IMAGE_SIZE / 2), (IMAGE_SIZE, IMAGE_SIZE)
    intrinsics = Camera.shared(len(azimuth), (FOCAL, FOCAL), half, size, device=azimuth.device)
    return attrs.evolve(intrinsics, rotation=rotation, position=position)


def around_origin(world: Tensor, root: int, generator: torch.Generator, spread: float = 0.4) -> Tensor:
    """Shift world poses [N, J, 3] so that their roots scatter about the origin on the ground plane.

    Each horizontal axis of the root is normal with standard deviation ``spread`` metres; heights are kept. Beyond three
    deviations it is cut off, so that nobody stands in or behind a near camera.
    """
    shift = torch.randn(len(world), 3, generator=generator, device=world.device).clamp(-3, 3) * spread
    shift = shift - world[:, root]
    shift[:, 1] = 0
    return world + shift[:, None]
