"""The augmentor ``placed``: people, however they were made, become scenes."""

from __future__ import annotations

import attrs
import torch

from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_virtualpose.scenes.arrangement import ArrangementSettings, arranged, root_in_image


@attrs.frozen(kw_only=True)
class PlacedSettings(ArrangementSettings):
    """How many people stand in a scene."""

    count: int = setting(4, "people in each scene; the last may have fewer", minimum=1, maximum=50)
    outside: str = setting(
        "unweighted",
        "whose root is outside of the image counts nothing in the loss (weight 0); or is kept as everybody is",
        choices=("unweighted", "keep"),
    )


class Placed(Augmentor):
    """Puts people side by side on the ground, ``count`` to a scene in their order, before one new camera each.

    Poses stay what they are, but for a turn about the vertical; so do labels and weights. Everybody in front of
    their camera is kept, N people in and N out, in N / count scenes.
    """

    Config = PlacedSettings

    def __init__(self, config: PlacedSettings, context: BuildContext) -> None:
        super().__init__()
        self.config = config

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        made = arranged(batch.alone(), self.config.count, self.config, generator)
        flags = torch.full((len(made),), int(Origin.AUGMENTED), dtype=torch.uint8, device=made.device)
        made = attrs.evolve(made, origin=flags)
        return Augmentation(batch=unweighted(made) if self.config.outside == "unweighted" else made)


def unweighted(people: PoseBatch) -> PoseBatch:
    """Return the people with weight 0 where their root is outside of the image."""
    seen = root_in_image(people)
    return attrs.evolve(
        people, weight=seen.to(people.joints_2d.dtype) if people.weight is None else people.weight * seen
    )
