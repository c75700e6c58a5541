"""The cameras that saw the key points: as the user or the file says, otherwise a guess that is told."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from poseplug.core.geometry.camera import Camera
from poseplug.registry.lifting.settings import LiftSettings

# Training cameras, like Human3.6M's, have 1145 px for images of 1000 px.
USUAL_FOCAL = 1.145
# What videos and pictures commonly have: the smallest that holds all joints is the guess.
_COMMON = ((640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320))


@attrs.frozen
class CameraRule:
    """How the camera of each person follows from the size of their image.

    Attributes:
        settings: what the user says.
        size: of images whose size is not known, or of all where the user says so.
        guessed: whether the size is a guess.
    """

    settings: LiftSettings
    size: tuple[float, float]
    guessed: bool

    @classmethod
    def of(cls, settings: LiftSettings, reach: tuple[float, float], sized: bool) -> CameraRule:
        """Return the rule for people who reach so far to the right and down, in images whose sizes are known or not."""
        if settings.size is not None:
            return cls(settings, settings.size, False)
        return cls(settings, _guessed_size(*reach), not sized)

    def cameras(self, sizes: Tensor) -> Camera:
        """Return the cameras of people in images of size [N, 2], 0 where it is not known."""
        known = (sizes > 0).all(-1, keepdim=True)
        if self.settings.size is not None:
            known = torch.zeros_like(known)
        image = torch.where(known, sizes, sizes.new_tensor(self.size))
        said = self.settings
        rotation = tilted(said.tilt, len(image))
        if said.camera is not None:
            both = image.new_tensor(said.camera).expand(len(image), 4)
            return Camera(both[:, :2], both[:, 2:], image, rotation=rotation)
        if said.focal is not None:
            focal = torch.full_like(image[:, 0], said.focal)
        elif said.fov is not None:
            focal = image[:, 0] / (2 * math.tan(math.radians(said.fov) / 2))
        else:
            focal = image.amax(-1) * USUAL_FOCAL
        return Camera(focal[:, None].expand(-1, 2), image / 2, image, rotation=rotation)

    def in_words(self) -> str:
        """Return a sentence on what was taken for the camera, and what of it is a guess."""
        width, height = self.size
        if self.guessed:
            size = f"images of {width:g} x {height:g} px (a guess, since the key points do not say; --size WxH)"
        elif self.settings.size is not None:
            size = f"images of {width:g} x {height:g} px"
        else:
            size = "image sizes as in the file"
        said = self.settings
        if said.camera is not None:
            lens = "fx {:g}, fy {:g}, cx {:g}, cy {:g} px".format(*said.camera)
        elif said.focal is not None:
            lens = f"focal length {said.focal:g} px"
        elif said.fov is not None:
            lens = f"field of view {said.fov:g} degrees"
        else:
            lens = f"focal length {USUAL_FOCAL:g} times the longer side (a guess, as in training; --focal, --fov)"
        turned = "" if said.tilt is None else f"; looking down by {said.tilt:g} degrees"
        return f"camera: {size}; {lens}{turned}"


def tilted(degrees: float | None, count: int) -> Tensor | None:
    """Return rotations [count, 3, 3] from the world, y up, to cameras that look down by so much, without roll.

    None where nobody knows by how much.
    """
    if degrees is None:
        return None
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, -cos, sin], [0.0, -sin, -cos]]).expand(count, 3, 3)


def _guessed_size(right: float, down: float) -> tuple[float, float]:
    for longer, shorter in _COMMON:
        if right <= longer and down <= shorter:
            return float(longer), float(shorter)
        if right <= shorter and down <= longer:
            return float(shorter), float(longer)
    return math.ceil(right), math.ceil(down)
