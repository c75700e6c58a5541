"""A detector that keeps all promises, and some that break one."""

import attrs
import torch
from torch import nn

from poseplug.core.detection.detector import Detector, Stage
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class SpotConfig:
    """Settings of Spots."""

    side: int = setting(24, "height and width of the crops", minimum=4)
    near: float = setting(4.0, "how sharp the softmax is at first", above=0)


class Spots(Detector):
    """A map for each joint, linear in the colours of pixels, and its mean place; first by distance, then by square."""

    Config = SpotConfig
    stages = (Stage("distance", 0.5), Stage("square", 0.5))

    def __init__(self, config, context):
        super().__init__()
        self.skeleton = context.skeleton or H36M_16
        self.crop = (config.side, config.side)
        self.stage = "distance"
        self.near = nn.Parameter(torch.tensor(config.near))
        self.colours = nn.Conv2d(3, self.skeleton.num_joints, 3, padding=1)
        self.to(context.device)

    def forward(self, images):
        shares = (self.near * self.colours(images)).flatten(2).softmax(-1).unflatten(2, images.shape[2:])
        cells = torch.arange(images.shape[-1], device=images.device, dtype=images.dtype)
        return torch.stack([shares.sum(2) @ cells, shares.sum(3) @ cells], dim=-1), shares.flatten(2).amax(-1)

    def loss(self, images, joints, visible):
        off = (self(images)[0] - joints).abs() / self.crop[0]
        error = (off if self.stage == "distance" else off.square()).sum(-1)
        return {self.stage: (error * visible).sum() / visible.sum().clamp_min(1)}

    def begin_stage(self, stage):
        self.stage = stage


class DetachedSpots(Spots):
    """Has a loss that does not reach the sharpness."""

    def forward(self, images):
        shares = (self.near.detach() * self.colours(images)).flatten(2).softmax(-1).unflatten(2, images.shape[2:])
        cells = torch.arange(images.shape[-1], device=images.device, dtype=images.dtype)
        return torch.stack([shares.sum(2) @ cells, shares.sum(3) @ cells], dim=-1), shares.flatten(2).amax(-1)


class Uncropped(Spots):
    """Says how large its crops are in a list."""

    def __init__(self, config, context):
        super().__init__(config, context)
        self.crop = list(self.crop)


class SeesUnseen(Spots):
    """Learns from joints that nobody sees."""

    def loss(self, images, joints, visible):
        return super().loss(images, joints, torch.ones_like(visible))


class HalfStages(Spots):
    """Forgets half of its training."""

    stages = (Stage("distance", 0.5),)


class Crowd(Spots):
    """Compares everybody with the rest of the batch."""

    def forward(self, images):
        joints, confidence = super().forward(images - images.mean((0, 2, 3), keepdim=True) * images)
        return joints, confidence


class Unpaired(Spots):
    """Gives no confidence."""

    def forward(self, images):
        return super().forward(images)[0]

    def loss(self, images, joints, visible):
        return {"distance": (Spots.forward(self, images)[0] - joints).abs().mean()}


BREAKERS = {
    "crop": [("detector", Uncropped)],
    "unseen": [("detector", SeesUnseen)],
    "stages": [("detector", HalfStages)],
}
