"""Key points as a detector finds them: inexact, some of them not at all, and a head that everybody marks elsewhere."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import ordered, setting
from poseplug_baselines.mixing import MIXING, MIXINGS, choose


@attrs.frozen(kw_only=True)
class DetectorNoiseConfig:
    """How bad the detector is."""

    share: float = setting(0.8, "probability that a pose is changed", minimum=0, maximum=1)
    mixing: str = setting("pose", MIXING, choices=MIXINGS)
    noise: float = setting(
        0.01, "standard deviation of key points per axis, as a share of the person's longer side", minimum=0
    )
    missing: float = setting(0.1, "probability that a joint is not found", minimum=0, maximum=1)
    hidden: float = setting(0.1, "probability that a joint is hidden with all that hangs from it", minimum=0, maximum=1)
    head: tuple[float, float] = setting(
        (1.0, 1.0),
        "range of where the joint Head is marked, on the line from its parent: 1 is its own place",
        minimum=0,
        check=ordered,
    )


class DetectorNoise(Augmentor):
    """Changes 2D joints and leaves the 3D pose as it is, so it belongs after all augmentors that move poses.

    A joint that is not found is put on the nearest that was, along the skeleton, which is how missing joints are shown
    to a trained lifter too. A pose of which nothing would be left stays whole.
    """

    Config = DetectorNoiseConfig

    def __init__(self, config: DetectorNoiseConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("below", _below(context.layout).to(context.device), persistent=False)

    below: Tensor

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        changed = choose(len(batch), self.config.share, self.config.mixing, generator)
        pixels = self._marked(batch.joints_2d, batch.skeleton, generator)
        found = self._found(len(batch), generator)
        found = found | ~found.any(1, keepdim=True)
        seen = put_missing(pixels, found, batch.skeleton)
        return Augmentation(
            batch=attrs.evolve(batch, joints_2d=torch.where(changed[:, None, None], seen, batch.joints_2d))
        )

    def _marked(self, pixels: Tensor, skeleton: Skeleton, generator: torch.Generator) -> Tensor:
        """Return where the detector marks joints [N, J, 2]."""
        side = (pixels.amax(1) - pixels.amin(1)).amax(-1)
        noise = torch.randn(pixels.shape, generator=generator, device=generator.device)
        low, high = self.config.head
        if (low, high) != (1.0, 1.0) and "Head" in skeleton.joints:
            head = skeleton.index("Head")
            neck = skeleton.parent_index[head]
            factor = low + (high - low) * torch.rand(len(pixels), 1, generator=generator, device=generator.device)
            pixels = pixels.clone()
            pixels[:, head] = torch.lerp(pixels[:, neck], pixels[:, head], factor)
        return pixels + noise * (self.config.noise * side)[:, None, None]

    def _found(self, n: int, generator: torch.Generator) -> Tensor:
        """Return [N, J] bool: what is found."""
        joints = len(self.below)
        drawn = torch.rand(n, joints + 1, generator=generator, device=generator.device)
        which = torch.randint(joints, (n,), generator=generator, device=generator.device)
        hidden = self.below[which] & (drawn[:, :1] < self.config.hidden)
        return (drawn[:, 1:] >= self.config.missing) & ~hidden


def _below(skeleton: Skeleton) -> Tensor:
    """Return [J, J] bool: of each joint, itself and the joints that hang from it; of the root, the root alone."""
    below = torch.eye(skeleton.num_joints, dtype=torch.bool)
    for level in reversed(skeleton.levels):
        for bone in level:
            parent, child = skeleton.bones[bone]
            if parent != skeleton.root:
                below[parent] |= below[child]
    return below
