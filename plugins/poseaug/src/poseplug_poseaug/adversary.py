"""What PoseAug's discriminators share: least-squares losses, replay pool, update ratio, and an eye on their health."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext, Discriminator
from poseplug.core.settings import setting
from poseplug_poseaug.health import RunningMeans
from poseplug_poseaug.replay import ReplayPool

# A discriminator that is right this often, on real poses and on fakes, no longer teaches anything.
_TOO_STRONG = 0.99


@attrs.frozen(kw_only=True)
class AdversaryConfig:
    """Settings that PoseAug's discriminators share; the defaults are those of the released code."""

    weight: float = setting(1.0, "factor on what it teaches the augmentor", minimum=0)
    pool: int = setting(4096, "earlier fakes that it is reminded of; 0 for none", minimum=0)
    update_every: int = setting(2, "the run's steps per update", minimum=1)
    learning_rate: float = setting(1e-4, "learning rate of Adam", above=0)


class Adversary(Discriminator):
    """A least-squares discriminator (eq. 12): real poses should score 1, fakes 0.

    Args:
        config: its settings.
        context: the run.
        shape: of what it is reminded of, for one pose; see ``_memorable``.
    """

    def __init__(self, config: AdversaryConfig, context: BuildContext, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.update_every = config.update_every
        self.learning_rate = config.learning_rate
        self.replay = ReplayPool(config.pool, shape, context.device)
        self.health = RunningMeans(("accuracy_real", "accuracy_fake", "loss"), context.device)

    def loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        loss = 0.5 * ((real - 1).square().mean() + fake.square().mean())
        with torch.no_grad():
            right = {"accuracy_real": (real > 0.5).float().mean(), "accuracy_fake": (fake < 0.5).float().mean()}
            self.health.update({**right, "loss": loss})
        return loss

    def adversarial_loss(self, fake: Tensor) -> Tensor:
        # The released code adds the score of real poses, which has no gradient.
        return self.config.weight * 0.5 * (fake - 1).square().mean()

    def remember(self, fake: PoseBatch, generator: torch.Generator) -> PoseBatch:
        if not self.config.pool:
            return fake
        return self._recalled(fake, self.replay.mix(self._memorable(fake), generator))

    @abstractmethod
    def _memorable(self, fake: PoseBatch) -> Tensor:
        """Return what is to be kept of fakes, [N, *shape]."""

    @abstractmethod
    def _recalled(self, fake: PoseBatch, mixed: Tensor) -> PoseBatch:
        """Return the fakes with what was kept of some of them exchanged for that of earlier ones."""

    def logs(self) -> Mapping[str, Tensor]:
        return {name: value for name, value in self.health.last.items() if name != "loss"}

    def diagnostics(self) -> Mapping[str, float]:
        """Return averages over the last updates, and ``collapsed``: 1 if it tells real and fake apart all the time."""
        means = self.health.means()
        if not means:
            return {}
        strong = min(means["accuracy_real"], means["accuracy_fake"]) > _TOO_STRONG
        return {**means, "collapsed": float(self.health.settled and strong)}
