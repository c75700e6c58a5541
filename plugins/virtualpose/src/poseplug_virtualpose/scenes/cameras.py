"""Where the cameras of virtual scenes stand: anywhere in ranges, at one place, or nearly there."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera, look_at
from poseplug.core.geometry.rotations import euler_to_rotmat
from poseplug.core.settings import ordered, setting

_PI = math.pi


@attrs.frozen(kw_only=True)
class CameraSettings:
    """How scenes are looked at. Their middle is the world's origin, on the ground."""

    camera: str = setting(
        "random",
        "one drawn from the ranges for each scene; or fixed, the one in the middle of all ranges, without roll; or "
        "jittered, that one moved a little for each scene: a camera that is known, but not to the last degree",
        choices=("random", "jittered", "fixed"),
    )
    azimuth: tuple[float, float] = setting(
        (0.0, 2 * _PI), "range of the direction that cameras look from", unit="rad", check=ordered
    )
    elevation: tuple[float, float] = setting(
        (-0.087, 0.785),
        "range of the angle above the horizon that cameras look down from",
        unit="rad",
        minimum=-1.5,
        maximum=1.5,
        check=ordered,
    )
    roll: float = setting(
        0.052, "standard deviation of the turn about the optical axis, of random cameras", unit="rad", minimum=0
    )
    distance: tuple[float, float] = setting(
        (2.5, 7.0), "range of the distance from what cameras look at", unit="m", minimum=1.0, check=ordered
    )
    height: tuple[float, float] = setting(
        (0.6, 1.4), "range of how high above the middle of the scene that is", unit="m", check=ordered
    )
    focal: tuple[float, float] = setting(
        (980.0, 2100.0), "range of the focal length", unit="pixels", minimum=1.0, check=ordered
    )
    size: tuple[float, float] = setting((1920.0, 1080.0), "width and height of the image", unit="pixels", minimum=1.0)
    jitter: float = setting(
        0.035, "how far jittered cameras are off in azimuth and elevation, at most", unit="rad", minimum=0
    )
    jitter_distance: float = setting(0.05, "and in distance, at most, as a share of it", minimum=0, maximum=0.9)


def draw_cameras(n: int, settings: CameraSettings, generator: torch.Generator) -> Camera:
    """Return n cameras with extrinsics, in a world with y up; the principal point is the middle of the image."""
    device = generator.device

    def off(most: float) -> Tensor:
        return (torch.rand(n, generator=generator, device=device) * 2 - 1) * most

    def drawn(bounds: tuple[float, float]) -> Tensor:
        low, high = bounds
        if settings.camera != "random":
            return torch.full((n,), (low + high) / 2, device=device)
        return torch.rand(n, generator=generator, device=device) * (high - low) + low

    azimuth, elevation, distance, height, focal = map(
        drawn, (settings.azimuth, settings.elevation, settings.distance, settings.height, settings.focal)
    )
    if settings.camera == "jittered":
        azimuth, elevation = azimuth + off(settings.jitter), elevation + off(settings.jitter)
        distance = distance * (1 + off(settings.jitter_distance))
    target = torch.stack([torch.zeros_like(height), height, torch.zeros_like(height)], dim=-1)
    rotation, position = look_at(azimuth, elevation, distance, target)
    if settings.camera == "random" and settings.roll:
        angle = torch.randn(n, generator=generator, device=device) * settings.roll
        rotation = euler_to_rotmat("Z", angle[:, None]) @ rotation
    width, high = settings.size
    plain = Camera.shared(n, (1.0, 1.0), (width / 2, high / 2), (width, high), device=device)
    return attrs.evolve(plain, focal=focal[:, None].expand(-1, 2), rotation=rotation, position=position)
