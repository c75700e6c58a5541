"""Li, Ke, Pratama, Tai, Tang, Cheng: Cascaded deep monocular 3D human pose estimation, CVPR 2020 (EvoSkeleton), 4.2.

One deep learner of the paper's geometry stage. Written from the paper and from a description of what its released code
does, without any of that code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.models.dense import Dense, Norm, dropout
from poseplug.core.settings import setting
from poseplug_evoskeleton.moving_joints import with_root, without_root

# The input that a cascade gives its parts: the sum of those before, as they return it.
ESTIMATE = "estimate"
# Of all coordinates of an estimate; where they are that near to each other, there is none yet.
_SMALLEST_SPREAD = 1e-6


@attrs.frozen(kw_only=True)
class TagNetConfig:
    """Settings of the deep learner."""

    channels: int = setting(1024, "width d of the hidden layers", minimum=1)
    blocks: int = setting(3, "number R of residual blocks, two layers each", minimum=0)
    dropout: float = setting(0.5, "dropout probability after every hidden layer", minimum=0, maximum=1)
    leaky: bool = setting(False, "leaky ReLUs")
    norm_single: bool = setting(
        False,
        "standardise each pose's key points by itself, for people in images of other sizes and cameras than the "
        "training's; otherwise each coordinate by its mean and deviation over the training set",
    )
    estimate: bool = setting(False, "read the estimate of the parts before it as well, within a cascade with concat")


class TagNet(Lifter):
    """Residual perceptron from standardised key points to all joints but the root, which is zero."""

    Config = TagNetConfig
    normalisation = Normalisation.STANDARDISED
    default_objective = "standardised"

    def __init__(self, config: TagNetConfig, context: BuildContext) -> None:
        super().__init__()
        skeleton, device, width = context.layout, context.device, config.channels
        if config.norm_single:
            self.normalisation = Normalisation.POSE_STANDARDISED  # type: ignore[misc]
        if config.estimate:
            self.reads = frozenset({ESTIMATE})  # type: ignore[misc]
        self.root = skeleton.root
        moving = 3 * skeleton.num_bones
        inputs = 2 * skeleton.num_joints + (moving if config.estimate else 0)
        self.enter = _Layer(inputs, width, config, device)
        self.blocks = nn.Sequential(*(_Block(width, config, device) for _ in range(config.blocks)))
        self.leave = Dense(width, moving, device=device)

    @classmethod
    def reads_with(
        cls,
        config: TagNetConfig,
        reads_of: Callable[[str], frozenset[str]],  # noqa: ARG003
    ) -> frozenset[str]:
        return frozenset({ESTIMATE}) if config.estimate else frozenset()

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        seen = joints_2d.flatten(1)
        if ESTIMATE in self.reads:
            if ESTIMATE not in inputs:
                raise PoseplugError("Lifter 'tagnet:estimate=true' reads an estimate; only a cascade has one for it.")
            estimate = _standardised(without_root(inputs[ESTIMATE], self.root).flatten(1))
            seen = torch.cat([seen, estimate.to(seen.dtype)], dim=1)
        moving = self.leave(self.blocks(self.enter(seen))).unflatten(1, (-1, 3))
        return with_root(moving, self.root)


class _Layer(nn.Module):
    """Linear map, batch normalisation, ReLU, dropout."""

    def __init__(self, inputs: int, channels: int, config: TagNetConfig, device: torch.device) -> None:
        super().__init__()
        self.probability, self.leaky = config.dropout, config.leaky
        self.linear = Dense(inputs, channels, device=device)
        self.norm = Norm(channels, device=device)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.linear(x), relu=not self.leaky)
        return dropout(functional.leaky_relu(x) if self.leaky else x, self.probability, self.training)


class _Block(nn.Module):
    """Two layers and a shortcut around them; no ReLU after the sum."""

    def __init__(self, channels: int, config: TagNetConfig, device: torch.device) -> None:
        super().__init__()
        self.first = _Layer(channels, channels, config, device)
        self.second = _Layer(channels, channels, config, device)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change


def _standardised(x: Tensor) -> Tensor:
    """Return rows [N, D] of zero mean and unit variance; a row of equal numbers becomes zero."""
    centred = x - x.mean(1, keepdim=True)
    return centred / centred.square().mean(1, keepdim=True).clamp_min(_SMALLEST_SPREAD**2).sqrt()
