"""Random bones: noise on bone directions and lengths, the plain counterpart of learned pose augmentation."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_baselines.mixing import MIXING, MIXINGS, choose, keep_others


@attrs.frozen(kw_only=True)
class JitterConfig:
    """Settings of the random bones; the amounts are those of the lab-to-wild benchmark."""

    share: float = setting(0.5, "probability that a pose is changed", minimum=0, maximum=1)
    mixing: str = setting("pose", MIXING, choices=MIXINGS)
    direction: float = setting(0.15, "standard deviation of what is added to unit bone directions, per axis", minimum=0)
    length: float = setting(0.15, "bone lengths are scaled by a factor within 1 +- length", minimum=0, maximum=0.99)


class Jitter(Augmentor):
    """Turns every bone a little and scales its length; left and right scale alike.

    The root stays where it is, and the pose's own camera projects it anew.
    """

    Config = JitterConfig

    twin: Tensor

    def __init__(self, config: JitterConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("twin", torch.tensor(_twins(context.layout), device=context.device), persistent=False)

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        changed = choose(len(batch), self.config.share, self.config.mixing, generator)
        bones = bone_vectors(batch.absolute, batch.skeleton)
        length = torch.linalg.vector_norm(bones, dim=-1, keepdim=True) * self._factors(len(batch), generator)
        noise = torch.randn(bones.shape, generator=generator, device=generator.device) * self.config.direction
        turned = functional.normalize(functional.normalize(bones, dim=-1) + noise, dim=-1)
        joints = joints_from_bones(turned * length, batch.root, batch.skeleton)
        return Augmentation(batch=keep_others(batch, batch.moved(joints), changed))

    def _factors(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the factors of the bone lengths [N, M, 1]."""
        uniform = torch.rand(n, len(self.twin), generator=generator, device=generator.device)
        return (1 + self.config.length * (2 * uniform - 1)).index_select(1, self.twin)[..., None]


def _twins(skeleton: Skeleton) -> list[int]:
    """Return for each bone the first of the bones that share its length: itself, or its mirror image."""
    bone_at = {child: bone for bone, (_, child) in enumerate(skeleton.bones)}
    return [min(bone, bone_at.get(skeleton.flip_index[child], bone)) for bone, (_, child) in enumerate(skeleton.bones)]
