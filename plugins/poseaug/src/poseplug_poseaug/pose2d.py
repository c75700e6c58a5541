"""The discriminator of 2D poses: where in the image, how large, and from which side a person is seen."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.models.dense import Dense
from poseplug.core.settings import setting
from poseplug_poseaug.adversary import Adversary, AdversaryConfig
from poseplug_poseaug.perceptron import SLOPE, kaiming

_CHANNELS = 100


@attrs.frozen(kw_only=True)
class Pose2DConfig(AdversaryConfig):
    """Settings of the discriminator of 2D poses."""

    extra_2d: str = setting("", "a further source of real poses, such as posefile:path=FILE; only its 2D is looked at")
    extra_share: float = setting(0.5, "share of the real poses that comes from extra_2d", minimum=0, maximum=1)


class Pose2D(Adversary):
    """Judges screen coordinates as they are, not centred.

    With ``extra_2d``, poses of that source take the place of a share of the real ones (PoseAug's "+Extra2D").

    Raises:
        PoseplugError: ``extra_2d`` names no source, or one with another skeleton.
    """

    Config = Pose2DConfig

    def __init__(self, config: Pose2DConfig, context: BuildContext) -> None:
        skeleton, device = context.layout, context.device
        super().__init__(config, context, (skeleton.num_joints, 2))
        self.enter = Dense(2 * skeleton.num_joints, _CHANNELS, device=device)
        self.inner = nn.ModuleList(Dense(_CHANNELS, _CHANNELS, device=device) for _ in range(4))
        self.score = nn.Linear(_CHANNELS, 1, device=device)
        kaiming(self)
        self.extra = _extra_source(config.extra_2d, context) if config.extra_2d else None
        self.extra_share = config.extra_share

    def forward(self, batch: PoseBatch) -> Tensor:
        second, third, fourth, fifth = self.inner
        first = _leaky(self.enter(_screen(batch).flatten(1)))
        x = _leaky(third(_leaky(second(first))) + first)
        score: Tensor = self.score(_leaky(fifth(fourth(x))))
        return score

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        count = round(len(batch) * self.extra_share)
        if self.extra is None or not count:
            return batch
        extra = self.extra.sample(count, generator)
        return PoseBatch.join([_flat(batch.select(slice(count, None))), _flat(extra).select(slice(count))])

    def _memorable(self, fake: PoseBatch) -> Tensor:
        return _screen(fake)

    def _recalled(self, fake: PoseBatch, mixed: Tensor) -> PoseBatch:
        size = fake.camera.size
        # Put into the new fakes' images, earlier ones have the same screen coordinates.
        pixels = (mixed * size.amax(-1)[:, None, None] + size[:, None]) / 2
        return attrs.evolve(fake, joints_2d=pixels, joints_3d=None)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _screen(batch: PoseBatch) -> Tensor:
    return screen_coordinates(batch.joints_2d, batch.camera.size)


def _flat(batch: PoseBatch) -> PoseBatch:
    """Return the batch with no more than poses of different origin have in common."""
    return PoseBatch(batch.skeleton, batch.joints_2d, batch.camera)


def _extra_source(text: str, context: BuildContext) -> PoseSource:
    if context.build is None:
        raise PoseplugError("Discriminator 'pose2d', setting 'extra_2d': a source can only be named within a run.")
    source: PoseSource = context.build("source", text)
    if source.skeleton != context.layout:
        raise PoseplugError(
            f"Discriminator 'pose2d', setting 'extra_2d': '{text}' has the skeleton '{source.skeleton.name}', and this "
            f"run has '{context.layout.name}'; give it a 'skeleton' setting of the same name."
        )
    return source
