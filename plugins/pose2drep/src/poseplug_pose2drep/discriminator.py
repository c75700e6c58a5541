"""The discriminator of normalised 2D poses (Hardy, Dasmahapatra, Kim, arXiv 2209.00618, Sec. 3.5, eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext, Discriminator
from poseplug.core.settings import setting
from poseplug.core.tensors import constant
from poseplug_pose2drep.network import Branch, glorot


@attrs.frozen(kw_only=True)
class Pose2DResidualConfig:
    """Settings of the residual discriminator of 2D poses."""

    channels: int = setting(1024, "width of the hidden layers", minimum=1)
    blocks: int = setting(3, "number of residual blocks, two layers each", minimum=0)
    dropout: float = setting(0.0, "dropout probability after each layer of a block", minimum=0, maximum=1)
    label_flip: float = setting(
        0.1, "probability that it learns from a whole batch with real and fake exchanged", minimum=0, maximum=1
    )
    mirror: float = setting(
        0.5, "probability that the real poses of a batch are mirrored, left staying left", minimum=0, maximum=1
    )
    learning_rate: float = setting(2e-4, "learning rate of Adam", above=0)
    weight: float = setting(1.0, "factor on what it teaches those who make the fakes", minimum=0)


class Pose2DResidual(Discriminator):
    """Judges all joints but the root about the root, over the pose's extent: neither place nor size in the image.

    Trained by least squares with 1 for real and 0 for fake; in a batch whose labels are flipped, the other way round.
    """

    Config = Pose2DResidualConfig

    def __init__(self, config: Pose2DResidualConfig, context: BuildContext) -> None:
        super().__init__()
        skeleton = context.layout
        self.config = config
        self.learning_rate = config.learning_rate
        self._joints = tuple(joint for joint in range(skeleton.num_joints) if joint != skeleton.root)
        self.net = Branch(
            2 * skeleton.num_bones,
            config.channels,
            1,
            blocks=config.blocks,
            norm="none",
            probability=config.dropout,
            device=context.device,
        )
        glorot(self.net)
        self._logs: Mapping[str, Tensor] = {}

    def forward(self, batch: PoseBatch) -> Tensor:
        pose = max_normalised(batch.joints_2d, batch.skeleton.root, batch.extent)
        seen = pose.index_select(1, constant(self._joints, pose.device, torch.int64))
        scores: Tensor = self.net(seen.flatten(1))
        return scores

    def loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        flip = (self._drawn(generator, fake.device) < self.config.label_flip).float()
        with torch.no_grad():
            self._logs = {"accuracy_real": (real > 0.5).float().mean(), "accuracy_fake": (fake < 0.5).float().mean()}
        return 0.5 * ((real - (1 - flip)).square().mean() + (fake - flip).square().mean())

    def adversarial_loss(self, fake: Tensor) -> Tensor:
        return self.config.weight * (fake - 1).square().mean()

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        pixels, root = batch.joints_2d, batch.skeleton.root
        sign = torch.where(self._drawn(generator, pixels.device) < self.config.mirror, -1.0, 1.0)
        centre = pixels[:, root : root + 1]
        mirrored = centre + (pixels - centre) * torch.stack([sign, torch.ones_like(sign)])
        return PoseBatch(batch.skeleton, mirrored, batch.camera, extent=batch.extent)

    @staticmethod
    def _drawn(generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.rand((), generator=generator, device=device)

    def logs(self) -> Mapping[str, Tensor]:
        """Return the share of real poses and of fakes that it was right about, whatever the labels were."""
        return self._logs
