"""Joint limits as a discriminator without parameters: it knows already what real poses look like."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext, Discriminator
from poseplug.core.settings import setting
from poseplug_evoskeleton.limited_body import LIMITS, LimitedBody


@attrs.frozen(kw_only=True)
class LimitDiscriminatorConfig:
    """Settings of the discriminator."""

    weight: float = setting(1.0, "factor on the mean angle by which bones break the limits, in radians", minimum=0)
    limits: str = setting("", LIMITS, path=True)


class LimitDiscriminator(Discriminator):
    """Scores each limb bone by how far it is from where it may point; what learns from it is pulled inside the limits.

    It is not trained, and goes with others that are.

    Raises:
        PoseplugError: the skeleton has no limbs, or the file holds no limits.
    """

    Config = LimitDiscriminatorConfig
    needs_3d = True

    def __init__(self, config: LimitDiscriminatorConfig, context: BuildContext) -> None:
        super().__init__()
        self.weight = config.weight
        self.body = LimitedBody.of(config.limits, context.layout, context.device)

    def forward(self, batch: PoseBatch) -> Tensor:
        """Return scores [N, B], minus radians: 0 within the limits."""
        return -self.body.violation(batch.absolute)

    def adversarial_loss(self, fake: Tensor) -> Tensor:
        return -self.weight * fake.mean()

    def loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return 0: there is nothing to train."""
        return fake.new_zeros(())
