"""Joint limits as an augmentor: what comes out of a source or of the augmentors before it is held to them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_evoskeleton.limited_body import LIMITS, LimitedBody, Tally


@attrs.frozen(kw_only=True)
class LimitPosesConfig:
    """Settings of the augmentor."""

    then: str = setting(
        "replace",
        "what becomes of implausible poses: plausible ones of the batch take their place, they count nothing (weigh), "
        "or they are counted and stay (report)",
        choices=("replace", "weigh", "report"),
    )
    limits: str = setting("", LIMITS, path=True)


class LimitPoses(Augmentor):
    """Finds poses that break joint limits, and replaces them, weighs them 0, or counts them.

    A pose is replaced by one drawn from the plausible poses of its batch, with camera, labels and all; a batch without
    any stays as it is. What is kept for training is plausible, unless poses are only counted.

    Raises:
        PoseplugError: the skeleton has no limbs, or the file holds no limits.
    """

    Config = LimitPosesConfig

    def __init__(self, config: LimitPosesConfig, context: BuildContext) -> None:
        super().__init__()
        self.then = config.then
        self.body = LimitedBody.of(config.limits, context.layout, context.device)
        self.tally = Tally(context.device)

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        plausible = self.body.plausible(batch.absolute)
        self.tally.add(plausible)
        if self.then == "report":
            return Augmentation(batch)
        if self.then == "weigh":
            weight = plausible.float() if batch.weight is None else batch.weight * plausible
            return Augmentation(attrs.evolve(batch, weight=weight), accepted=plausible)
        rows = _with_stand_ins(plausible, generator)
        # Whoever is drawn twice would stand twice in one place, so people no longer share scenes.
        return Augmentation(batch.alone().select(rows), accepted=plausible[rows])

    def logs(self) -> Mapping[str, Tensor]:
        """Return ``plausible``, the share of poses of the last batch that were within the limits."""
        return {} if self.tally.last is None else {"plausible": self.tally.last}

    def diagnostics(self) -> Mapping[str, float]:
        """Return ``plausible``, the share of poses that were within the limits."""
        share = self.tally.share
        return {} if math.isnan(share) else {"plausible": share}


def _with_stand_ins(plausible: Tensor, generator: torch.Generator) -> Tensor:
    """Return row numbers [N]: of plausible poses their own, of others that of a plausible one drawn for each."""
    n, count = len(plausible), plausible.sum()
    first = plausible.to(torch.uint8).argsort(descending=True, stable=True)
    uniform = torch.rand(n, generator=generator, device=generator.device)
    drawn = torch.minimum((uniform * count).long(), count - 1).clamp_min(0)
    own = torch.arange(n, device=plausible.device)
    return torch.where(plausible | (count == 0), own, first[drawn])
